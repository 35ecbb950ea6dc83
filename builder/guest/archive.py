# SPDX-License-Identifier: GPL-2.0-or-later
"""A small signed archive on the host's loopback, for what a guest must do with any archive.

It has two suites: `probe` with the packages of `builder.guest.probe`, and `probe-security` with a
newer version of one and, where packages are given, those in a higher version. So an update needs no
network, and there is one on every day. Its keys live as long as it takes to sign: no agent outlives
this.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from debian.deb822 import Deb822

from builder.guest import probe
from builder.guest.loopback import GATEWAY, serve_folder
from builder.run import needs, run

MAIN, SECURITY = "probe", "probe-security"
LABELS = {MAIN: "Debian", SECURITY: "Debian-Security"}
# What is put behind the version of a package that is offered as its own security update.
SUFFIX = "+probe1"
VALID = timedelta(days=1)
SOURCE = f"""\
Types: deb
URIs: {{url}}
Suites: {MAIN} {SECURITY}
Components: main
Signed-By: {{place}}.pgp
"""
# A key of its own has lists of its own: what one update fetched must not help another.
SETTINGS = """\
Dir::Etc::SourceList "{place}.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "lists/{key}/";
APT::Get::Assume-Yes "true";
"""
# The archive's key, and that of somebody else.
OWN, STRANGER = "own", "stranger"
# Where its settings are in the guest; apt's own user must be able to read them.
FOLDER = "/etc/fai-forge-probe"


@dataclass(frozen=True)
class LocalArchive:
    """The archive as a guest sees it; `upgrades` maps package names to the versions in SECURITY.

    `keys` has the public halves (binary OpenPGP) of OWN, which signed it, and of STRANGER.
    """

    url: str
    keys: dict[str, Path]
    upgrades: dict[str, str]

    def files(self) -> dict[str, bytes]:
        """What a guest must have to use it, by path; the image's own sources stay as they are."""
        found = {}
        for key, path in self.keys.items():
            place = f"{FOLDER}/{key}"
            found[f"{place}.pgp"] = path.read_bytes()
            found[f"{place}.sources"] = SOURCE.format(url=self.url, place=place).encode()
            found[f"{place}.conf"] = SETTINGS.format(place=place, key=key).encode()
        return found

    def apt(self, program: str = "apt-get", key: str = OWN) -> str:
        """The beginning of a command line of apt that sees this archive alone, and asks nothing.

        It trusts one key: OWN, or STRANGER, with which the archive must be refused.
        """
        return f"APT_CONFIG={FOLDER}/{key}.conf DEBIAN_FRONTEND=noninteractive {program}"


@contextlib.contextmanager
def local_archive(folder: Path, arch: str, debs: Sequence[Path] = ()) -> Iterator[LocalArchive]:
    """Make the archive below `folder`, for guests of `arch`, and serve it until the block ends.

    `debs` are offered as security updates of themselves: the same files in a higher version.
    """
    root = folder / "archive"
    suites = {
        MAIN: [probe.service(root / "pool", "1"), probe.documented(root / "pool", "1")],
        SECURITY: [probe.service(root / "pool", "2"), *raise_versions(debs, root / "pool")],
    }
    fields = {deb: _control(deb) for each in suites.values() for deb in each}
    for suite, members in suites.items():
        _index(root, suite, arch, {deb: fields[deb] for deb in members})
    keys = _sign([root / "dists" / suite for suite in suites], folder)
    with serve_folder(root) as port:
        yield LocalArchive(
            f"http://{GATEWAY}:{port}",
            keys,
            {fields[deb]["Package"]: fields[deb]["Version"] for deb in suites[SECURITY]},
        )


def raise_versions(debs: Sequence[Path], pool: Path) -> list[Path]:
    """Pack .debs anew into `pool` in a higher version; what they say of each other follows."""
    controls = {deb: _control(deb) for deb in debs}
    versions = {each["Package"]: each["Version"] for each in controls.values()}
    made = []
    for deb, control in controls.items():
        with tempfile.TemporaryDirectory(dir=pool) as folder:
            tree = Path(folder) / "tree"
            run(["dpkg-deb", "--raw-extract", deb, tree])
            text = raised((tree / "DEBIAN/control").read_text(), versions)
            (tree / "DEBIAN/control").write_text(text)
            made.append(pool / f"{control['Package']}_{SUFFIX}.deb")
            # Emulated guests unpack this several times as fast as xz.
            packing = ("-Zzstd", "-z1", "--root-owner-group")
            run(["dpkg-deb", *packing, "--build", tree, made[-1]])
    return made


def raised(control: str, versions: dict[str, str]) -> str:
    """A control file with a higher version, which depends on higher versions of its companions.

    `versions` has the present version of each package that is raised.
    """
    fields = Deb822(control)
    fields["Version"] += SUFFIX
    for name, version in versions.items():
        exact = re.compile(rf"(?<!\S)({re.escape(name)} \(= {re.escape(version)})\)")
        for field in ("Depends", "Pre-Depends", "Recommends"):
            if field in fields:
                fields[field] = exact.sub(rf"\g<1>{SUFFIX})", fields[field])
    return str(fields.dump())


@needs("dpkg-deb", package="dpkg", purpose="make packages that a guest installs")
def _control(deb: Path) -> Deb822:
    """The control file of a .deb."""
    return Deb822(run(["dpkg-deb", "--field", deb], capture=True).output)


def _index(root: Path, suite: str, arch: str, members: dict[Path, Deb822]) -> None:
    """Write the Packages and Release files of a suite."""
    paragraphs = []
    for deb, control in members.items():
        with deb.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        where = {"Filename": str(deb.relative_to(root)), "Size": str(deb.stat().st_size)}
        paragraphs.append(Deb822({**control, **where, "SHA256": digest}).dump())
    name = f"main/binary-{arch}/Packages"
    packages = root / "dists" / suite / name
    packages.parent.mkdir(parents=True)
    packages.write_text("\n".join(paragraphs))
    content = packages.read_bytes()
    now = datetime.now(UTC)
    release = {
        "Origin": "Debian",
        "Label": LABELS[suite],
        "Suite": suite,
        "Codename": suite,
        "Date": format_datetime(now, usegmt=True),
        "Valid-Until": format_datetime(now + VALID, usegmt=True),
        "Architectures": f"all {arch}",
        "Components": "main",
        "SHA256": f"\n {hashlib.sha256(content).hexdigest()} {len(content)} {name}",
    }
    (root / "dists" / suite / "Release").write_text(Deb822(release).dump())


@needs("gpg", package="gpg", purpose="sign the archive that a guest updates from")
@needs("gpgconf", package="gpgconf", purpose="end GnuPG's agent")
def _sign(dists: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Sign the Release files with a new key; return the public halves of it and of another."""
    # The agent's socket lies here, and the name of a socket has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="fai-forge-", dir="/tmp"))
    gpg = ("gpg", "--batch", "--quiet", "--homedir", home)
    keys = {}
    try:
        for name in (OWN, STRANGER):
            run([*gpg, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "1d"])
            keys[name] = folder / f"{name}.pgp"
            run([*gpg, "--output", keys[name], "--export", f"={name}"])
        for dist in dists:
            words = ("--local-user", f"={OWN}", "--output", dist / "InRelease", "--clearsign")
            run([*gpg, *words, dist / "Release"])
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
    return keys
