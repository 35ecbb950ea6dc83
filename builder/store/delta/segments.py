# SPDX-License-Identifier: GPL-2.0-or-later
"""How a long file is patched in pieces: zstd takes no more than 2 GB, and memory for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20
# Of the new file, made by one patch.
SEGMENT: Final = 768 * MIB
# Of the base, on both sides of where the segment would be: what grew or shrank moves the rest.
SLACK: Final = 128 * MIB


@dataclass(frozen=True)
class Segment:
    """One patch makes `length` bytes of the new file out of [begin, end) of the base."""

    length: int
    begin: int
    end: int


def segments(length: int, base: int) -> tuple[Segment, ...]:
    """The segments of a new file of `length` bytes and a base of `base` bytes."""
    if base <= SEGMENT + 2 * SLACK:
        # All of it: what is in another place is found, too.
        whole = ((0, base) for _ in range(0, length, SEGMENT))
    else:
        whole = (
            (
                max(0, start * base // length - SLACK),
                min(base, -(-(start + SEGMENT) * base // length) + SLACK),
            )
            for start in range(0, length, SEGMENT)
        )
    return tuple(
        Segment(min(SEGMENT, length - number * SEGMENT), begin, min(end, begin + 2 * SEGMENT))
        for number, (begin, end) in enumerate(whole)
    )
