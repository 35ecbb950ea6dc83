# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the partitions of a disk lie: one table row per partition and architecture.

The root partition comes last, so that it can grow on first boot. Its number is 1 and those of the
boot partitions are 14 and 15, as on Debian's cloud images: growpart and people find it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from builder.errors import UsageError
from builder.models import DiskIds

SECTOR = 512
MIB = 1 << 20
# Everything starts on whole MiB: no flash page or RAID stripe is cut, and mke2fs likes it.
ALIGN = MIB // SECTOR


class Role(StrEnum):
    """What a partition is for."""

    BIOS = "bios"
    PREP = "prep"
    ESP = "esp"
    ROOT = "root"


@dataclass(frozen=True)
class Partition:
    """One partition; `start` and `size` are in sectors of 512 bytes, `type_id` is its GPT type."""

    number: int
    role: Role
    type_id: UUID
    start: int
    size: int

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.start * SECTOR

    @property
    def length(self) -> int:
        """How long it is, in bytes."""
        return self.size * SECTOR


@dataclass(frozen=True)
class Layout:
    """The partitions of one disk in the order in which they lie on it; `size` is in bytes."""

    arch: str
    size: int
    partitions: tuple[Partition, ...]

    def find(self, role: Role) -> Partition | None:
        """The partition with this role, or None where the architecture has none."""
        return next((part for part in self.partitions if part.role == role), None)

    @property
    def root(self) -> Partition:
        """The root partition, which every disk has."""
        return self.partitions[-1]


@dataclass(frozen=True)
class _Row:
    number: int
    role: Role
    type_id: UUID
    mib: int | None  # None: all that is left


_BIOS = _Row(14, Role.BIOS, UUID("21686148-6449-6e6f-744e-656564454649"), 3)
_PREP = _Row(14, Role.PREP, UUID("9e1a2d38-c612-4316-aa26-8b49521e5a8b"), 8)
# Large enough for FAT32 with clusters of one sector, which firmware reads without exception.
_ESP = _Row(15, Role.ESP, UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), 124)


def _root(type_id: str) -> _Row:
    return _Row(1, Role.ROOT, UUID(type_id), None)


# The root types are those of the Discoverable Partitions Specification (uapi-group.org).
_ROWS: dict[str, tuple[_Row, ...]] = {
    "amd64": (_BIOS, _ESP, _root("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")),
    "arm64": (_ESP, _root("b921b045-1df0-41c3-af44-4c6f280d3fae")),
    "ppc64el": (_PREP, _root("c31c45e6-3f39-412e-80fb-4809c4980599")),
    "riscv64": (_ESP, _root("72ec70a6-cf74-40e6-bd49-4bda08e8f224")),
}

# A root file system below this holds no Debian, and mke2fs would drop its journal.
SMALLEST_ROOT_MIB = 64


def layout(arch: str, size: int) -> Layout:
    """Lay out a disk of `size` bytes (whole MiB) for `arch`; a disk too small is a UsageError."""
    if size % MIB:
        raise UsageError(
            f"a disk of {size} bytes is not a whole number of MiB",
            hint="write disk_size in class.yaml in MiB or GiB",
        )
    partitions = []
    start = ALIGN
    # The last MiB stays free: the backup partition table is there.
    end = size // SECTOR - ALIGN
    for row in _ROWS[arch]:
        length = end - start if row.mib is None else row.mib * ALIGN
        partitions.append(Partition(row.number, row.role, row.type_id, start, length))
        start += length
    root = partitions[-1]
    if root.length < SMALLEST_ROOT_MIB * MIB:
        least = root.start // ALIGN + SMALLEST_ROOT_MIB + 1
        raise UsageError(
            f"a disk of {size // MIB} MiB is too small for the partitions of {arch}",
            hint=f"set disk_size in class.yaml to {least} MiB or more",
        )
    return Layout(arch, size, tuple(partitions))


def sfdisk_script(disk: Layout, ids: DiskIds) -> str:
    """The input of sfdisk that makes this layout's GPT with the build's identifiers."""
    uuids = {
        Role.BIOS: ids.bios_part,
        Role.PREP: ids.bios_part,
        Role.ESP: ids.esp_part,
        Role.ROOT: ids.root_part,
    }
    lines = ["label: gpt", f"label-id: {ids.disk}", "unit: sectors", f"sector-size: {SECTOR}"]
    # The table's length is sfdisk's default, written down so that a new default changes nothing.
    lines.append("table-length: 128")
    lines += [
        f"p{part.number} : start={part.start}, size={part.size}, "
        f"type={part.type_id}, uuid={uuids[part.role]}"
        for part in disk.partitions
    ]
    return "\n".join(lines) + "\n"
