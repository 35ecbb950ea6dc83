# SPDX-License-Identifier: GPL-2.0-or-later
"""What several rooms speak of: architectures, the identity of a build, packages, apt sources.

Frozen dataclasses only; documents that people or other programs read (class.yaml, manifests) have
their pydantic models in the room that owns them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

# The root of every identifier that a build derives from its name; never change it: the UUIDs of
# all images, and with them their bytes, hang on it.
NAMESPACE = uuid.UUID("8f7b7dbb-6a5a-5c1e-9b7f-5f0a3c0f6a11")


@dataclass(frozen=True)
class Arch:
    """One architecture: Debian's name for it, what others call it, and its FAI class."""

    name: str
    fai_class: str
    aliases: tuple[str, ...] = ()


# The order is the one in which tables and help texts show them; the first is the default, which
# image names leave out.
ARCHES: dict[str, Arch] = {
    arch.name: arch
    for arch in (
        Arch("amd64", "AMD64", ("x86_64", "x64")),
        Arch("arm64", "ARM64", ("aarch64",)),
        Arch("ppc64el", "PPC64EL", ("ppc64le",)),
        Arch("riscv64", "RISCV64"),
    )
}
DEFAULT_ARCH = "amd64"


@dataclass(frozen=True)
class BuildId:
    """Which build this is: the series' name, its serial, and the time that its files carry.

    `epoch` is SOURCE_DATE_EPOCH, in seconds. Everything random in a disk derives from `name` and
    `serial`, so the same build made twice has the same bytes.
    """

    name: str
    serial: str
    epoch: int

    def __str__(self) -> str:
        return f"{self.name}-{self.serial}"

    def uuid(self, what: str) -> uuid.UUID:
        """The UUID (version 5) of one thing in this build, such as "root-fs"."""
        return uuid.uuid5(NAMESPACE, f"{self.name}/{self.serial}/{what}")

    @property
    def date(self) -> datetime:
        """`epoch` as a UTC time."""
        return datetime.fromtimestamp(self.epoch, UTC)


@dataclass(frozen=True)
class Package:
    """One binary package of an image; `sha256` and `size` (bytes) are those of its .deb, if known.

    `origins` are "Label:suite" strings of the archives that hold this version. `essential` is what
    the archive says of it; what dpkg's status says is not asked for. `source` and `source_version`
    are empty where nobody tells them: lists of packages that others publish do not.
    """

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    auto: bool = False
    origins: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    essential: bool = False

    @property
    def key(self) -> str:
        """What names a package within an image: dpkg's `name:arch`."""
        return f"{self.name}:{self.arch}"


@dataclass(frozen=True)
class AptSource:
    """One suite of an archive as it was used for a build, and the InRelease file that signed it.

    `date` is the InRelease's own Date, `version` its Version (such as 13.2, a point release; often
    there is none), `archive` its Suite (such as stable); `digest` is the sha256 of the file.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    origin: str = ""
    label: str = ""
    digest: str = ""
    date: datetime | None = None
    version: str = ""
    archive: str = ""

    @property
    def name(self) -> str:
        """What apt calls it where it says where a version is from: `Label:version/archive`."""
        where = f"{self.version}/{self.archive}" if self.version else self.archive
        return f"{self.label}:{where}"


@dataclass(frozen=True)
class ExtraSource:
    """What a class adds to an image's apt sources: suites of the distribution's own archive.

    Without suites, the components are added to every suite that the image has.
    """

    suites: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True)
class DiskIds:
    """Every identifier on a disk, derived from the build (never random)."""

    disk: uuid.UUID
    bios_part: uuid.UUID
    esp_part: uuid.UUID
    root_part: uuid.UUID
    root_fs: uuid.UUID
    hash_seed: uuid.UUID
    esp_volume: int = field(metadata={"bits": 32})

    @classmethod
    def of(cls, build: BuildId) -> DiskIds:
        """The identifiers of one build's disk."""
        return cls(
            disk=build.uuid("disk"),
            bios_part=build.uuid("bios-partition"),
            esp_part=build.uuid("esp-partition"),
            root_part=build.uuid("root-partition"),
            root_fs=build.uuid("root-fs"),
            hash_seed=build.uuid("root-hash-seed"),
            esp_volume=build.uuid("esp-fs").int >> 96,
        )

    @property
    def esp_uuid(self) -> str:
        """The ESP's volume id as fstab and blkid write it: `1A2B-3C4D`."""
        text = f"{self.esp_volume:08X}"
        return f"{text[:4]}-{text[4:]}"
