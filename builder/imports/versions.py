# SPDX-License-Identifier: GPL-2.0-or-later
"""What others call their versions, as serials of ours, and in the order of their numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

# A day, and what tells the builds of one day apart: 20261120.1, 20261120_07:42, 202611200742,
# 2026-11-20, 20261120-2542, 20261120T074233Z.
STAMP: Final = re.compile(
    r"(?<![0-9])((?:19|20)[0-9]{2})(-?)([01][0-9])\2([0-3][0-9])"
    r"(?:([._T-]?)([0-9]{2}:[0-9]{2}(?::[0-9]{2})?|[0-9]+))?(?![0-9])"
)
# As names have it (builder.names.SERIAL).
LARGEST: Final = 9999
# Years of four digits, as the versions have them.
EARLIEST: Final = 1900
WORD: Final = re.compile(r"[0-9]+|[a-z]+")
# What comes before the version that it is about.
BEFORE: Final = ("alpha", "beta", "dev", "preview", "pre", "rc")


def serial(version: str, date: datetime | None = None) -> str | None:
    """The serial of a version: the day in it, else of its date; None where no day is known.

    Builds of one day are told apart by their own numbers, or by the minute, and never by their
    place in a list: that would change when one of them is removed.
    """
    for found in STAMP.finditer(version):
        day = found[1] + found[3] + found[4]
        if _is_day(day):
            number = _number(found[5], found[6] or "")
            return f"{day}.{number}" if number else day
    if date is None:
        return None
    try:
        known = date.astimezone(UTC)
    except OverflowError:
        return None
    if known.year < EARLIEST:
        return None
    minute = known.hour * 100 + known.minute
    return f"{known:%Y%m%d}.{minute}" if minute else f"{known:%Y%m%d}"


def key(version: str) -> tuple[tuple[int, int, str], ...]:
    """What versions sort by: 9.10 after 9.8, 1.0 after 1.0-rc1, and words before any number."""
    words = WORD.findall(version.lower())
    return (*(_rank(word) for word in words), (1, 0, ""))


def _rank(word: str) -> tuple[int, int, str]:
    if word.isdigit():
        # As a number, of any length: an int() of thousands of digits is an error.
        digits = word.lstrip("0")
        return (2, len(digits), digits)
    return (0, 0, word) if word in BEFORE else (1, 0, word)


def _is_day(day: str) -> bool:
    try:
        datetime.strptime(day, "%Y%m%d")
    except ValueError:
        return False
    return True


def _number(divider: str, digits: str) -> int:
    """Which one of its day; 0 where that is not told, or not in so few digits."""
    is_time = ":" in digits or divider in ("", "T", "_")
    plain = digits.replace(":", "")
    if is_time and len(plain) == 6:
        # Without the seconds.
        plain = plain[:4]
    number = int(plain) if 0 < len(plain) <= 9 else 0
    return number if number <= LARGEST else 0
