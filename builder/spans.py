# SPDX-License-Identifier: GPL-2.0-or-later
"""Spans of time as people write them in YAML: 12h, 30d or 8w."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

SPAN = re.compile(r"([1-9][0-9]{0,3})([hdw])")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _span(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = SPAN.fullmatch(str(value))
    if found is None:
        raise ValueError("a number and a unit are expected: 12h, 30d or 8w")
    return int(found[1]) * UNITS[found[2]]


# "12h", "30d" or "8w" in the file.
Span = Annotated[
    timedelta,
    BeforeValidator(_span),
    WithJsonSchema({"type": "string", "pattern": f"^{SPAN.pattern}$"}),
]


def in_words(span: timedelta) -> str:
    """A span as a person says it: "14 days", or "36 hours" where it is not whole days."""
    hours = round(span / timedelta(hours=1))
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
