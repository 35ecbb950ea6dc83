# SPDX-License-Identifier: GPL-2.0-or-later
"""What a qcow2 of unknown makers says of itself, read before any program opens it.

Opened, one with a backing file or an external data file would have other files of this machine read
as its disk.
Source: docs/interop/qcow2.txt of QEMU.
"""

from __future__ import annotations

import struct
from typing import Final

MAGIC: Final = b"QFI\xfb"
# The second version's header; in the third, flags of what a reader must understand follow.
HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQ")
INCOMPATIBLE: Final = struct.Struct(">Q")
# What has to be read of a file.
SIZE: Final = HEADER.size + INCOMPATIBLE.size
DIRTY, CORRUPT, EXTERNAL = 1, 2, 4
VERSIONS: Final = (2, 3)


def flaw(head: bytes) -> str:
    """What is wrong with an image by its first `SIZE` bytes, as the end of a sentence; or nothing.

    Right is one that is whole: a single file that was closed well, and is not encrypted.
    """
    if len(head) < HEADER.size or not head.startswith(MAGIC):
        return "is no qcow2 image"
    _, version, backing, _, _, _, encrypted, *_ = HEADER.unpack_from(head)
    if version not in VERSIONS:
        return f"is a qcow2 image of version {version}, which nobody reads"
    flags = 0
    if version > 2:
        if len(head) < SIZE:
            return "is no qcow2 image"
        (flags,) = INCOMPATIBLE.unpack_from(head, HEADER.size)
    flaws = {
        "names a backing file, so it is only a part of an image": backing,
        "names an external data file, so it is only a part of an image": flags & EXTERNAL,
        "is encrypted": encrypted,
        "is marked as corrupt": flags & CORRUPT,
        "was not closed by the program that wrote it": flags & DIRTY,
    }
    return next((sentence for sentence, true in flaws.items() if true), "")
