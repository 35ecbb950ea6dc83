# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors in a guest's journal, and the reviewed list of those that may be there.

`journal.yaml` beside this module is for all images; a class has its own in its folder `tests`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import AliasChoices, BaseModel, Field

from builder.classes.reviewed_errors import FILE, Row

BASE = Path(__file__).with_name(FILE)
# What shows the errors of a boot; 3 is "err", and smaller is worse.
COMMAND = "journalctl --no-pager --priority=3 --output=json --boot={boot}"
THIS_BOOT, LAST_BOOT = "0", "-1"


class Entry(BaseModel):
    """What we need of an entry of `journalctl --output=json`.

    A message that is no UTF-8 is a list of its bytes, and a very long one is null. Who writes to
    the journal itself need not say a name; it is that of the program then.
    """

    identifier: str = Field("unknown", validation_alias=AliasChoices("SYSLOG_IDENTIFIER", "_COMM"))
    message: str | list[int] | None = Field(None, alias="MESSAGE")

    @property
    def line(self) -> str:
        """The entry as patterns see it."""
        message = self.message
        if isinstance(message, list):
            message = bytes(message).decode(errors="replace")
        return f"{self.identifier}: {(message or '').strip()}"


@dataclass(frozen=True)
class Review:
    """What is left of a journal: errors that no row excuses, and rows that no longer do."""

    unexplained: tuple[str, ...]
    expired: tuple[Row, ...]

    def __str__(self) -> str:
        told = [f"not reviewed: {line}" for line in self.unexplained]
        told += [f"the review has expired: {row}" for row in self.expired]
        return "\n".join(told)


def lines(output: str) -> list[str]:
    """The entries that `COMMAND` printed, as `IDENTIFIER: MESSAGE`."""
    return [Entry.model_validate_json(line).line for line in output.splitlines() if line]


def review(found: Iterable[str], rows: Sequence[Row], today: date) -> Review:
    """Compare the errors of a journal with the list; a row counts up to its last day."""
    unexplained: list[str] = []
    expired: dict[Row, None] = {}
    for line in found:
        fitting = [row for row in rows if re.fullmatch(row.pattern, line, re.DOTALL)]
        if not fitting:
            unexplained.append(line)
        elif all(row.expires < today for row in fitting):
            expired |= dict.fromkeys(fitting)
    return Review(tuple(dict.fromkeys(unexplained)), tuple(expired))
