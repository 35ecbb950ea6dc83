# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors in a guest's journal, and the reviewed list of those that may be there.

Each row has a reason, a link and a last day: what is excused for good is never looked at again.
`journal.yaml` beside this module is for all images; a class has its own in its folder `tests`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from builder import documents

FILE = "journal.yaml"
BASE = Path(__file__).with_name(FILE)
# What shows the errors of a boot; 3 is "err", and smaller is worse.
COMMAND = "journalctl --no-pager --priority=3 --output=json --boot={boot}"
THIS_BOOT, LAST_BOOT = "0", "-1"


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from error
    return text


class Row(BaseModel):
    """One kind of error that may be in the journal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: Annotated[str, StringConstraints(min_length=8), AfterValidator(_regex)]
    """A regular expression for a whole line `IDENTIFIER: MESSAGE`."""
    reason: Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]
    """Why it is no fault of the image."""
    link: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
    """Where that is discussed."""
    expires: date
    """The last day on which it is excused."""

    def __str__(self) -> str:
        return f"{self.pattern} ({self.reason}; {self.link}; until {self.expires})"


class Reviewed(BaseModel):
    """A file of such rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: tuple[Row, ...]


class Entry(BaseModel):
    """What we need of an entry of `journalctl --output=json`.

    A message that is no UTF-8 is a list of its bytes, and a very long one is null.
    """

    identifier: str = Field("unknown", alias="SYSLOG_IDENTIFIER")
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


def read(paths: Iterable[Path]) -> tuple[Row, ...]:
    """The rows of several files, each once; raises DocumentError."""
    rows: dict[Row, None] = {}
    for path in paths:
        text = documents.read_text(path, missing="name a file of reviewed errors")
        rows |= dict.fromkeys(documents.parse(Reviewed, text, path).rows)
    return tuple(rows)


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
