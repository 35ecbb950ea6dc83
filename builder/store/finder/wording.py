# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes, days and ages as pages write them."""

from __future__ import annotations

from datetime import UTC, datetime

UNITS = ("KiB", "MiB", "GiB", "TiB")
# From how many days on an age is told in another unit, and how many days that has.
SPANS = ((730, 365, "years"), (60, 30, "months"), (14, 7, "weeks"), (2, 1, "days"))


def size(count: int) -> str:
    """Bytes for people: 999 bytes, 296.8 MiB."""
    if count < 1024:
        return f"{count} bytes"
    # 1023.96 MiB would be written as 1024.0.
    power = next((n for n in range(1, len(UNITS)) if count / 1024**n < 1023.95), len(UNITS))
    return f"{count / 1024**power:.1f} {UNITS[power - 1]}"


def day(time: datetime) -> str:
    """The day of a time, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d}"


def age(time: datetime, now: datetime) -> str:
    """How long ago a time is, in days or longer, so that a page changes once a day at most."""
    days = (now.astimezone(UTC).date() - time.astimezone(UTC).date()).days
    for least, unit, word in SPANS:
        if days >= least:
            return f"{days // unit} {word} ago"
    return "yesterday" if days == 1 else "today"


def count(number: int, word: str) -> str:
    """A number and its word: 1 build, 2 builds; "series" has no other plural."""
    plural = word if number == 1 or word.endswith("s") else f"{word}s"
    return f"{number:,} {plural}"
