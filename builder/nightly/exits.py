# SPDX-License-Identifier: GPL-2.0-or-later
"""How the exit codes of many steps become one: the worst counts, and this table says which that is.

What only a person can mend comes before what may be well at the next try, so a program that tries
again on the codes 4 and 6 never does so in vain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

DONE, INFRASTRUCTURE, NOTHING, UNKNOWN, INTERRUPTED = 0, 4, 5, 6, 130


@dataclass(frozen=True)
class Row:
    """An exit code of a step or of a decision, and why it stands where it does."""

    code: int
    meaning: str
    why: str


# Worst first.
WORST_FIRST: Final = (
    Row(INTERRUPTED, "interrupted", "what is missing says nothing about the images"),
    Row(1, "a build failed", "there is no image, and trying again gives none"),
    Row(3, "a check or a boot failed", "there is an image, and it must not be published"),
    Row(2, "refused as wrong", "settings, or a name that is taken; the images are well"),
    Row(INFRASTRUCTURE, "infrastructure", "it was tried twice, and may be well later"),
    Row(UNKNOWN, "unknown", "nothing was tried; a mirror or a store may be well later"),
    Row(DONE, "done", "all that was to be done is done"),
)
ORDER: Final = tuple(row.code for row in WORST_FIRST)
# A program that a signal ended, or that we do not know, is a failure that nobody expected.
UNEXPECTED: Final = 1


def known(code: int) -> int:
    """A code of the table: itself, or the one of what nobody expected."""
    return code if code in ORDER else UNEXPECTED


def worst(codes: Iterable[int]) -> int:
    """The code that stands for all of them; 0 for none."""
    return min(map(known, codes), key=ORDER.index, default=DONE)
