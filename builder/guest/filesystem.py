# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a file system on a guest's disk was unmounted cleanly, told by its superblock alone.

Source: Linux's Documentation/filesystems/ext4/super.rst
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builder.run import needs, run

SECTOR = 512
# In bytes, from the start of the file system, and in it.
SUPERBLOCK, SUPERBLOCK_SIZE = 1024, 1024
MAGIC_AT, STATE_AT, INCOMPATIBLE_AT = 0x38, 0x3A, 0x60
MAGIC = 0xEF53
CLEAN, ERRORS = 0x1, 0x2
# The journal must be replayed, since it was in use when the file system was last seen.
RECOVER = 0x4


@dataclass(frozen=True)
class Ext4State:
    """What a superblock says: `clean` without errors, `replay` where the journal is needed."""

    clean: bool
    replay: bool


def ext4_state(superblock: bytes) -> Ext4State | None:
    """Read the superblock of an ext2, ext3 or ext4; None for other file systems."""
    magic, state = struct.unpack_from("<HH", superblock, MAGIC_AT)
    if magic != MAGIC:
        return None
    (features,) = struct.unpack_from("<I", superblock, INCOMPATIBLE_AT)
    return Ext4State(bool(state & CLEAN) and not state & ERRORS, bool(features & RECOVER))


@needs("qemu-img", package="qemu-utils", purpose="look at the disk of a guest that has ended")
def superblock_at(disk: Path, start: int) -> bytes:
    """The superblock of the file system that starts `start` bytes into a qcow2 disk.

    The disk must not be in use.
    """
    # A window on the disk: `qemu-img dd` counts from the disk's start in some versions of QEMU.
    window = f"driver=raw,offset={start + SUPERBLOCK},size={SUPERBLOCK_SIZE}"
    name = str(disk).replace(",", ",,")
    source = f"{window},file.driver=qcow2,file.file.driver=file,file.file.filename={name}"
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "superblock"
        run(["qemu-img", "convert", "--image-opts", source, "-O", "raw", part])
        return part.read_bytes()
