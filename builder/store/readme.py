# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md beside an image: what it is, how to verify it and log in, and how it was made.

It follows from the manifest and the names of the files beside it, so that the same build always
has the same one. It names no key: who can change this folder could change that, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2

from builder.disk.formats import FORMATS
from builder.manifest.decision import Decision
from builder.manifest.model import Manifest, SourceCommit, Verdict
from builder.manifest.parts import FileName
from builder.store.incus_metadata import ROOTS, terms

NAME: Final = "README.md"
TEMPLATE: Final = "readme.md.j2"
# What Markdown, or HTML within it, could take for more than text.
SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
# A link between < and >, within which nothing is special.
LINK = re.compile(r"https?://[^\s<>]+")
# What importctl takes, and its command; it unpacks no qcow2 with zstd.
PULLS: Mapping[str, str] = {
    "raw": "pull-raw",
    "raw.xz": "pull-raw",
    "qcow2-zlib": "pull-raw",
    "rootfs.tar.xz": "pull-tar",
}
# The files of a build by how their names go on after NAME-SERIAL, and by how others begin.
PURPOSES: Mapping[str, str] = {
    ".manifest.json": "what is in the image, and how it was built and tried",
    ".manifest": "its packages and their versions, a line each",
    ".spdx.json": "software bill of materials, SPDX",
    ".cdx.json": "software bill of materials, CycloneDX",
    ".decision.json": "why it was built",
    ".changelog.md": "what changed since the last published build",
    ".changelog.json": "the same for programs",
    ".incus.tar.xz": "what Incus and LXD read beside the image",
    ".build.log.gz": "the programs that built it, and what they said",
    ".fai.log.gz": "FAI's log of the build",
    ".report.html": "what the checks and the boots found",
    ".checks.xml": "the checks, as JUnit",
    ".boots.json": "what the boots found, for programs",
    "SHA256SUMS": "the digests of all files, signed in SHA256SUMS.gpg and SHA256SUMS.asc",
    "SHA512SUMS": "the same with SHA-512, signed in SHA512SUMS.asc",
}
BOOTS: Mapping[str, str] = {
    "console-": "what a machine said on its console when it was booted",
    "boot-": "what was tried when it was booted",
    "journal-": "its journal when it was booted",
    "analyze-": "how long its start took, unit by unit",
    "screen-": "its screen when something failed",
}


@dataclass(frozen=True)
class Listed:
    """A file, its size for people, and who it is for."""

    name: str
    purpose: str
    size: str = ""


@dataclass(frozen=True)
class Heading:
    """What the image is, in words."""

    title: str
    build: str
    release: str
    arch: str
    day: str
    roles: str
    packages: int
    installed: str


def render(manifest: Manifest, others: Iterable[FileName]) -> bytes:
    """The README of a build with these files beside its images."""
    build = f"{manifest.name}-{manifest.serial}"
    names = sorted({*others, "SHA256SUMS", "SHA512SUMS"} - {file.name for file in manifest.files})
    size = manifest.installed_bytes
    words = terms(manifest)
    text = _template().render(
        image=Heading(
            title=plain(manifest.title),
            build=build,
            release=plain(f"{words.os} {words.release_title}"),
            arch=plain(manifest.arch),
            day=f"{manifest.build.date:%Y-%m-%d}",
            roles=plain(", ".join(manifest.roles)),
            packages=len(manifest.packages),
            installed=amount(size) if size is not None else "",
        ),
        files=[
            Listed(file.name, _format(file.format), amount(file.size)) for file in manifest.files
        ],
        pulls=[
            f"{PULLS[file.format]} --verify=signature URL/{file.name} {build}"
            for file in manifest.files
            if file.format in PULLS
        ],
        incus=any(file.format in ROOTS for file in manifest.files),
        ways=list(ways_in(manifest)),
        passwordless=any(
            check.name == "no-passwords" and check.verdict == "passed" for check in manifest.checks
        ),
        reasons=list(_reasons(manifest.decision)),
        trials=list(_trials(manifest)),
        job=_link(manifest.build.job_link or ""),
        tool=plain(manifest.build.tool_version),
        commits=[_commit(commit) for commit in manifest.build.commits],
        command=" ".join(manifest.build.command.split()),
        manifest=f"{build}.manifest.json",
        others=[Listed(name, _purpose(name, build)) for name in names],
    )
    return text.encode()


def ways_in(manifest: Manifest) -> Iterator[str]:
    """How one logs in, by what is installed and the classes that set it up."""
    installed = {package.name for package in manifest.packages}
    if "cloud-init" in installed:
        yield (
            f"cloud-init gives the keys of the user data to `{manifest.distro}`, who may use sudo:"
            f" `ssh {manifest.distro}@ADDRESS`."
        )
    elif "openssh-server" in installed:
        yield (
            "Root takes the SSH key that is in the systemd credential `ssh.authorized_keys.root`:"
            " give the machine an SMBIOS string of type 11,"
            " `io.systemd.credential.binary:ssh.authorized_keys.root=KEY`, with the line of the"
            " public key in base64."
        )
    else:
        yield "It has no SSH server."
    if any(each.name == "NOCLOUD" for each in manifest.classes):
        yield "Root is logged in on the screen and on the serial console without being asked."


def plain(text: str) -> str:
    """A text on one line in which Markdown finds nothing to format."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def amount(size: int) -> str:
    """Bytes for people: "297 MiB"; at least one."""
    return f"{max(1, round(size / (1 << 20)))} MiB"


def _reasons(decision: Decision | None) -> Iterator[str]:
    if decision is None:
        yield "Somebody asked for it."
        return
    before = decision.published
    after = f", after {before.serial} of {before.date:%Y-%m-%d}" if before else ""
    yield f"The policy {plain(decision.policy)} decided: {decision.answer}{after}."
    for reason in decision.reasons:
        if reason.effect == "publish":
            yield plain(reason.text)


def _trials(manifest: Manifest) -> Iterator[str]:
    checks, boots = manifest.checks, manifest.boots
    yield f"{_passed(checks)} checks passed." if checks else "The finished tree was not checked."
    kinds = ", ".join(plain(boot.name) for boot in boots)
    yield f"{_passed(boots)} boots passed: {kinds}." if boots else "It was not booted."
    for each in (*checks, *boots):
        if each.verdict != "passed":
            detail = f": {plain(each.detail)}" if each.detail else ""
            yield f"{plain(each.name)} {each.verdict}{detail}"


def _passed(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(each.verdict == 'passed' for each in verdicts)} of {len(verdicts)}"


def _commit(commit: SourceCommit) -> str:
    changed = ", with changes that no commit has" if commit.dirty else ""
    origin = f" of {plain(commit.origin)}" if commit.origin else ""
    return f"{plain(commit.overlay)}: {commit.commit or 'not in a git repository'}{origin}{changed}"


def _link(url: str) -> str:
    return f"<{url}>" if LINK.fullmatch(url) else plain(url)


def _format(name: str) -> str:
    return FORMATS[name].purpose if name in FORMATS else plain(name)


def _purpose(name: str, build: str) -> str:
    boots = (text for start, text in BOOTS.items() if name.startswith(start))
    return PURPOSES.get(name.removeprefix(build)) or next(boots, "")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        # What comes from a manifest goes through plain(): Markdown has other specials than HTML.
        autoescape=False,  # noqa: S701
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE)
