# SPDX-License-Identifier: GPL-2.0-or-later
"""An initramfs without some kernel modules: Debian 13's has them in a cpio archive in front.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAGIC = b"070701"
HEADER = 110
END = "TRAILER!!!"


def without(initrd: bytes, pattern: str) -> bytes:
    """The same initramfs but for the files whose names match; it is an error if none does."""
    entries = list(_entries(initrd))
    kept = b"".join(entry for name, entry in entries if not re.search(pattern, name))
    length = sum(len(entry) for _, entry in entries)
    assert len(kept) < length, f"the initramfs has no {pattern}"
    return kept + initrd[length:]


def _entries(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes, header and padding included, of each file of the first archive (newc)."""
    at = 0
    while True:
        assert archive[at : at + 6] == MAGIC
        size, length = (int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in (6, 11))
        name = archive[at + HEADER : at + HEADER + length - 1].decode()
        end = _padded(_padded(at + HEADER + length) + size)
        yield name, archive[at:end]
        if name == END:
            return
        at = end


def _padded(offset: int) -> int:
    return -(-offset // 4) * 4
