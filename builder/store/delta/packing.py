# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk without its blocks of zeros, and back: most of a disk that has room to grow is zeros."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.store.delta.header import BLOCK, Extent

PIECE: Final = 1 << 20
ZEROS: Final = bytes(PIECE)


@dataclass(frozen=True)
class Packed:
    """A packed disk in a file: its length and digest, the disk's size, and where its blocks go.

    The extents have blocks of zeros, then blocks that are kept, in turns.
    """

    path: Path
    length: int
    sha256: str
    size: int
    extents: tuple[Extent, ...]


def pack(raw: Path, target: Path) -> Packed:
    """Write the blocks of a disk that are not all zeros to `target`, one after the other."""
    digest, length = hashlib.sha256(), 0
    extents: list[list[int]] = []
    end = 0
    with raw.open("rb") as source, target.open("wb") as out:
        size = os.fstat(source.fileno()).st_size
        for number, block in _blocks(source.fileno(), size):
            if extents and number == end:
                extents[-1][1] += 1
            else:
                extents.append([number - end, 1])
            end = number + 1
            out.write(block)
            digest.update(block)
            length += len(block)
    found = tuple((zeros, kept) for zeros, kept in extents)
    return Packed(target, length, digest.hexdigest(), size, found)


def unpack(packed: Path, size: int, extents: tuple[Extent, ...], target: Path) -> None:
    """Write the disk of a packed one; blocks of zeros become holes."""
    with packed.open("rb") as source, target.open("wb") as out:
        out.truncate(size)
        for zeros, kept in extents:
            out.seek(zeros * BLOCK, os.SEEK_CUR)
            left = kept * BLOCK
            while left and (piece := source.read(min(PIECE, left))):
                out.write(piece)
                left -= len(piece)


def _blocks(descriptor: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The blocks that are not all zeros, each with its number."""
    offset = 0
    while offset < size:
        try:
            data = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError:
            return
        offset = max(offset, data - data % BLOCK)
        piece = os.pread(descriptor, PIECE, offset)
        if not piece:
            return
        if piece != ZEROS[: len(piece)]:
            for start in range(0, len(piece), BLOCK):
                block = piece[start : start + BLOCK]
                if block != ZEROS[: len(block)]:
                    yield (offset + start) // BLOCK, block
        offset += len(piece)
