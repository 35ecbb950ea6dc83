# SPDX-License-Identifier: GPL-2.0-or-later
"""A private apt root: apt's view of one set of sources and one architecture, without a system.

It has its own directories and an empty dpkg status, so apt plans a fresh installation in it, for
any architecture, as any user. The machine's own network settings (proxies, logins) apply; its
sources, keys and pins do not.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path

from debian.deb822 import Deb822

from builder.archive.refusals import check_offers, refused
from builder.archive.sources import Source, render
from builder.errors import ArchiveError
from builder.models import AptSource
from builder.run import CommandError, run

# What of the machine's apt configuration also holds here: how to reach a mirror, not what to trust
# or to install. Validity checks are among them because only the administrator of a frozen mirror
# can know that its dates are old on purpose.
DATES = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
INHERITED_OPTIONS = ("Acquire::http", "Acquire::https", "Acquire::Retries", *DATES)
# What apt reads as no (StringToBool in apt-pkg/contrib/strutl.cc).
NO = ("0", "no", "false", "without", "off", "disable")
# What apt writes as %xx in the names of index files, beside what cannot be printed.
ESCAPED = '\\|{}[]<>"^~_=!@#$%&*'
FOLDERS = (
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "etc/apt/trusted.gpg.d",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "var/lib/dpkg",
    "var/log",
)


@dataclass(frozen=True)
class AptRoot:
    """One private apt root at `path`; make it with `open_root`."""

    path: Path
    arch: str
    sources: tuple[Source, ...]

    @property
    def lists(self) -> Path:
        """apt's folder of downloaded indexes."""
        return self.path / "var/lib/apt/lists"

    @property
    def environment(self) -> dict[str, str]:
        """What makes any apt program work on this root."""
        return {"APT_CONFIG": str(self.path / "apt.conf")}

    def refresh(self) -> tuple[AptSource, ...]:
        """Fetch the indexes where they changed, verify them, and say what they are.

        A mirror that cannot be reached, is half updated or badly signed is an
        ArchiveError: a partial answer is never returned. A suite that has not what is
        wanted of it is a UsageError.
        """
        with self.locked():
            try:
                run(
                    ["apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any"],
                    env=self.environment,
                    timeout=900,
                )
            except CommandError as error:
                raise refused(error.done.output) from error
            return self.releases()

    def releases(self) -> tuple[AptSource, ...]:
        """The suites of this root as their InRelease files on disk describe them."""
        found = []
        for source in self.sources:
            for suite in source.suites:
                file = self.lists / f"{list_prefix(source.uri)}_dists_{suite}_InRelease"
                try:
                    content = file.read_bytes()
                except FileNotFoundError as error:
                    raise ArchiveError(
                        f"apt left no signed release file of {suite}",
                        hint="the mirror has no InRelease file for it; use another one",
                    ) from error
                release = Deb822(content.decode("utf-8", "replace"))
                check_offers(release, suite, source.components, self.arch)
                found.append(
                    AptSource(
                        uri=source.uri,
                        suite=suite,
                        components=source.components,
                        origin=release.get("Origin", ""),
                        label=release.get("Label", ""),
                        digest=hashlib.sha256(content).hexdigest(),
                        date=parsedate_to_datetime(release["Date"]),
                        version=release.get("Version", ""),
                        archive=release.get("Suite", ""),
                    )
                )
        return tuple(found)

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep others from changing this root's indexes meanwhile; `shared`: who only reads."""
        with Path(self.path, "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield


def open_root(
    cache: Path, sources: tuple[Source, ...], arch: str, keyring: Path | None = None
) -> AptRoot:
    """The private apt root for these sources and this architecture, made where it is missing.

    Roots live below `cache` under a digest of what they are for, shared by all images that use
    the same sources. `keyring` verifies them if it is not where the sources say.
    """
    trusted = [
        each if keyring is None else replace(each, signed_by=str(keyring)) for each in sources
    ]
    text = render(tuple(trusted))
    key = hashlib.sha256(f"{arch}\n{text}".encode()).hexdigest()[:16]
    root = AptRoot(cache / key, arch, sources)
    for folder in FOLDERS:
        (root.path / folder).mkdir(parents=True, exist_ok=True)
    (root.path / "var/lib/dpkg/status").touch()
    _replace(root.path / "etc/apt/sources.list.d/image.sources", text)
    _replace(root.path / "apt.conf", _configuration(root))
    return root


def native_arch() -> str:
    """This machine's architecture, by Debian's name."""
    return run(["dpkg", "--print-architecture"], capture=True).output.strip()


def dates_unchecked() -> str:
    """The options, if any, by which this machine's apt is told not to look at an index's dates."""
    said = run(["apt-config", "dump", *DATES], capture=True).output.splitlines()
    options = dict(line.rstrip(";").split(" ", 1) for line in said if " " in line)
    return ", ".join(name for name in DATES if options.get(name, "").strip('"') in NO)


def list_prefix(uri: str) -> str:
    """How apt names the index files of an archive (URItoFileName in apt-pkg/strutl.cc)."""
    _, _, rest = uri.partition("://")
    if rest:
        # Neither a login nor the brackets of an IPv6 address are in a file's name.
        host, slash, path = rest.partition("/")
        rest = re.sub(r"[\[\]]", "", host.rpartition("@")[2]) + slash + path
    path = rest or uri.partition(":")[2]
    escaped = "".join(
        chr(byte) if 0x20 < byte < 0x7F and chr(byte) not in ESCAPED else f"%{byte:02x}"
        for byte in path.encode()
    )
    return escaped.rstrip("/").replace("/", "_")


def _configuration(root: AptRoot) -> str:
    """apt.conf of a private root."""
    options = {
        "Dir": str(root.path),
        "Dir::State::status": str(root.path / "var/lib/dpkg/status"),
        "Dir::Bin::methods": "/usr/lib/apt/methods",
        "Dir::Log": str(root.path / "var/log"),
        "Dir::Etc::netrc": "/etc/apt/auth.conf",
        "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
        "APT::Architecture": root.arch,
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "false",
    }
    lines = [f'{name} "{value}";' for name, value in options.items()]
    lines.append(f'#clear APT::Architectures;\nAPT::Architectures {{ "{root.arch}"; }};')
    dumped = run(["apt-config", "dump", *INHERITED_OPTIONS], capture=True).output
    lines += [line for line in dumped.splitlines() if not line.endswith(' "";')]
    return "\n".join(lines) + "\n"


def _replace(path: Path, text: str) -> None:
    """Write a file so that another build sees either the old or the new one."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
