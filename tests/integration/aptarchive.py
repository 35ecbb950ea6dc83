# SPDX-License-Identifier: GPL-2.0-or-later
"""A small Debian archive, and its security archive, with real packages, indexes and signatures.

Tests put packages into suites and publish; `apt-ftparchive` and `gpg` do the rest. The archive has
a clock of its own, which each publication moves on by an hour, so that no two have one date.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path

from debian.deb822 import Deb822
from debian.debian_support import Version

from builder.run import run
from tests.integration.webserver import Answer, Server

ARCH = "amd64"
COMPONENTS = ("main", "contrib")
MAIN, SECURITY = "debian", "debian-security"
# The machine's own settings do not matter: its proxy, a clock that it does not trust, its patience.
SETTINGS = """\
Acquire::http::Proxy::127.0.0.1 "DIRECT";
Acquire::Check-Valid-Until "true";
Acquire::Check-Date "true";
Acquire::Retries "0";
"""
# How long the suites that have an end of validity are valid.
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Deb:
    """One binary package; `source` is as in a control file, where empty the package's own name."""

    name: str
    version: str
    source: str = ""
    depends: str = ""
    essential: bool = False
    priority: str = "optional"
    component: str = "main"

    @property
    def pool(self) -> str:
        """Its place in the archive."""
        source = self.source.partition(" ")[0] or self.name
        file = f"{self.name}_{self.version.split(':')[-1]}_{ARCH}.deb"
        return f"pool/{self.component}/{source[0]}/{source}/{file}"

    @property
    def control(self) -> str:
        """Its control file."""
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Source": self.source,
            "Architecture": ARCH,
            "Maintainer": "Nobody <nobody@example.org>",
            "Priority": self.priority,
            "Essential": "yes" if self.essential else "",
            "Depends": self.depends,
            "Description": f"{self.name} for tests",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def kernel(abi: str, version: str) -> tuple[Deb, Deb]:
    """A kernel with this ABI, and what stands for the newest one, of a signed source package."""
    image = f"linux-image-{abi}+deb13-{ARCH}"
    source = f"linux-signed-{ARCH} ({version.replace('-', '+')})"
    return (
        Deb(image, version, source, "libc6"),
        Deb(f"linux-image-{ARCH}", version, source, f"{image} (= {version})"),
    )


# What a system needs that apt is to plan, and what images of it may ask for.
SMALL = (
    Deb("base-files", "13.8", essential=True, priority="required"),
    Deb("libc6", "2.41-12", "glibc", priority="required"),
    Deb("dpkg", "1.22.21", depends="libc6", essential=True, priority="required"),
    Deb("apt", "3.0.3", depends="libc6", priority="required"),
    Deb("netbase", "6.5"),
    Deb("libssl3t64", "3.5.1-1", "openssl", "libc6"),
    Deb("openssl", "3.5.1-1", depends="libssl3t64"),
    Deb("curl", "8.14.1-2", depends="libcurl4t64"),
    Deb("libcurl4t64", "8.14.1-2", "curl", "libc6, libssl3t64"),
    Deb("less", "668-1", depends="libc6"),
    Deb("nginx", "1.26.3-3", depends="libc6"),
    *kernel("6.12.48", "6.12.48-1"),
)


@dataclass(frozen=True)
class Workshop:
    """Makes .debs, each only once."""

    folder: Path

    def file(self, deb: Deb) -> Path:
        """The .deb."""
        digest = hashlib.sha256(deb.control.encode()).hexdigest()
        made = self.folder / f"{digest}.deb"
        if not made.exists():
            tree = self.folder / digest
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "DEBIAN/control").write_text(deb.control)
            run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, made])
        return made


@dataclass(frozen=True)
class Key:
    """A signing key in a GnuPG home of its own; `keyring` is its public half."""

    home: Path

    @property
    def keyring(self) -> Path:
        return self.home / "keyring.gpg"

    def gpg(self, *argv: str | Path, stdin: str | None = None) -> str:
        words = ("gpg", "--batch", "--quiet", "--homedir", self.home, *argv)
        return run(words, stdin=stdin, capture=True).output


@contextmanager
def throwaway_key() -> Iterator[Key]:
    """A new key, and the end of its agent; the path is short, since a socket lies there."""
    key = Key(Path(tempfile.mkdtemp(prefix="forge-key-", dir="/tmp")))
    try:
        key.gpg("--passphrase", "", "--quick-generate-key", "throwaway", "ed25519", "sign", "never")
        key.gpg("--output", key.keyring, "--export")
        yield key
    finally:
        run(["gpgconf", "--homedir", key.home, "--kill", "all"], check=False)
        shutil.rmtree(key.home, ignore_errors=True)


@dataclass
class Suite:
    """One suite: what its Release file says of it, and its packages by name."""

    codename: str
    name: str
    version: str
    label: str = "Debian"
    expires: bool = True
    debs: dict[str, Deb] = field(default_factory=dict)

    @property
    def archive(self) -> str:
        """The archive that it is in."""
        return SECURITY if self.label == "Debian-Security" else MAIN

    def release(self, date: datetime, valid: timedelta) -> Mapping[str, str]:
        """What its Release file says before the digests."""
        fields = {
            "Origin": "Debian",
            "Label": self.label,
            "Suite": self.name,
            "Version": self.version,
            "Codename": self.codename,
            "Date": _rfc(date),
            "Acquire-By-Hash": "yes",
            "Architectures": f"all {ARCH}",
            "Components": " ".join(COMPONENTS),
        }
        return fields | ({"Valid-Until": _rfc(date + valid)} if self.expires else {})


class Debian(Server):
    """Debian 13's archives below `folder`, served under one address.

    The suites are trixie, trixie-updates and trixie-security; what is put into them can be seen
    after `publish`. Each publication is a folder of its own: while `lagging`, paths that hold that
    word are still answered from the one before, as on a mirror in mid-sync.
    """

    def __init__(self, folder: Path, key: Key, workshop: Workshop) -> None:
        super().__init__()
        self.folder = folder
        self.key = key
        self.workshop = workshop
        self.lagging = ""
        # Days ago, so that no publication of a test is in the future.
        self.clock = datetime.now(UTC).replace(microsecond=0) - timedelta(days=5)
        self.publications: list[Path] = []
        suites = (
            Suite("trixie", "stable", "13.1", expires=False),
            Suite("trixie-updates", "stable-updates", "13-updates"),
            Suite("trixie-security", "stable-security", "13", "Debian-Security"),
        )
        self.suites = {suite.codename: suite for suite in suites}

    def copy(self, folder: Path) -> Debian:
        """The same archives at another address; what either publishes from now on is its own."""
        other = Debian(folder, self.key, self.workshop)
        other.suites = deepcopy(self.suites)
        other.clock = self.clock
        other.publications = [*self.publications]
        return other

    @property
    def mirrors(self) -> tuple[str, str]:
        """The URLs of the archive and of the security archive."""
        return f"{self.address}/{MAIN}", f"{self.address}/{SECURITY}"

    def put(self, suite: str, *debs: Deb) -> None:
        """Add packages to a suite; each takes the place of its older version there."""
        self.suites[suite].debs |= {deb.name: deb for deb in debs}

    def withdraw(self, suite: str, *names: str) -> None:
        """Take packages out of a suite."""
        for name in names:
            del self.suites[suite].debs[name]

    def point_release(self, version: str) -> None:
        """Move what is newer in the other suites into the stable one; updates is then empty."""
        stable = self.suites["trixie"]
        for suite in (self.suites["trixie-updates"], self.suites["trixie-security"]):
            for deb in suite.debs.values():
                known = stable.debs.get(deb.name, deb)
                stable.debs[deb.name] = max(known, deb, key=lambda one: Version(one.version))
        self.suites["trixie-updates"].debs.clear()
        stable.version = version

    def publish(self, *, valid: timedelta = WEEK, key: Key | None = None) -> None:
        """Write and sign the indexes of all suites, with the archive's own key if none is given."""
        self.clock += timedelta(hours=1)
        root = self.folder / f"{len(self.publications):03}"
        for archive in (MAIN, SECURITY):
            suites = [suite for suite in self.suites.values() if suite.archive == archive]
            _generate(root / archive, suites, self.workshop)
        for suite in self.suites.values():
            dist = root / suite.archive / "dists" / suite.codename
            _sign(dist, suite.release(self.clock, valid), key or self.key)
        self.publications.append(root)

    def find(self, path: str) -> Answer:
        """The file of the newest publication, or of the one before."""
        late = bool(self.lagging) and self.lagging in path
        file = self.publications[-2 if late else -1] / path
        if not file.is_file():
            return Answer(HTTPStatus.NOT_FOUND)
        written = self.clock - timedelta(hours=1 if late else 0)
        return Answer(HTTPStatus.OK, file.read_bytes(), format_datetime(written, usegmt=True))


def _generate(archive: Path, suites: list[Suite], workshop: Workshop) -> None:
    """Fill an archive's pool and write the Packages files of its suites."""
    lines = [f'Dir {{ ArchiveDir "{archive}"; FileListDir "{archive}"; }};']
    for suite in suites:
        for component in COMPONENTS:
            debs = [deb for deb in suite.debs.values() if deb.component == component]
            for deb in debs:
                _place(workshop.file(deb), archive / deb.pool)
            index = archive / "dists" / suite.codename / component / f"binary-{ARCH}"
            index.mkdir(parents=True)
            listing = archive / f"{suite.codename}-{component}"
            listing.write_text("".join(f"{deb.pool}\n" for deb in debs))
        lines.append(
            f'Tree "dists/{suite.codename}" {{ Sections "{" ".join(COMPONENTS)}";'
            f' Architectures "{ARCH}"; FileList "{suite.codename}-$(SECTION)"; Contents " ";'
            ' Packages::Compress ". xz"; };'
        )
    (archive / "generate.conf").write_text("\n".join(lines))
    run(["apt-ftparchive", "generate", archive / "generate.conf"])


def _sign(dist: Path, fields: Mapping[str, str], key: Key) -> None:
    """Write the InRelease of a suite, and its indexes under their digests."""
    release = Deb822(run(["apt-ftparchive", "release", dist], capture=True).output)
    text = "".join(f"{name}: {value}\n" for name, value in fields.items())
    text += f"SHA256:{release['SHA256']}\n"
    (dist / "InRelease").write_text(key.gpg("--clearsign", stdin=text))
    for index in dist.glob("*/binary-*/Packages*"):
        digest = hashlib.sha256(index.read_bytes()).hexdigest()
        _place(index, index.parent / "by-hash/SHA256" / digest)


def _place(file: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(file)


def _rfc(date: datetime) -> str:
    return date.strftime("%a, %d %b %Y %H:%M:%S UTC")
