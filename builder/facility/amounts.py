# SPDX-License-Identifier: GPL-2.0-or-later
"""Amounts of bytes as people write them in YAML: 500MiB, 20GiB or 2TB."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

AMOUNT = re.compile(r"([1-9][0-9]{0,6}) ?(MB|GB|TB|MiB|GiB|TiB)")
UNITS = {
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}


def _amount(value: Any) -> int:
    if isinstance(value, int):
        return value
    found = AMOUNT.fullmatch(str(value))
    if found is None:
        raise ValueError("a number and a unit are expected: 500MiB, 20GiB or 2TiB")
    return int(found[1]) * UNITS[found[2]]


# "20GiB" in the file, bytes in the program.
Amount = Annotated[
    int,
    BeforeValidator(_amount),
    WithJsonSchema({"type": "string", "pattern": f"^{AMOUNT.pattern}$"}),
]


def in_words(size: int) -> str:
    """Bytes as a person reads them: "311 MB", "3.2 GB"."""
    for unit, name in ((10**12, "TB"), (10**9, "GB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{round(size / 10**6)} MB"
