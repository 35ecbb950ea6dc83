# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of a class that lists reviewed errors of a journal: `tests/journal.yaml`.

Each row has a reason, a link and a last day: what is excused for good is never looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from builder import documents

FILE = "journal.yaml"


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


def read(paths: Iterable[Path]) -> tuple[Row, ...]:
    """The rows of several files, each once; raises DocumentError."""
    rows: dict[Row, None] = {}
    for path in paths:
        text = documents.read_text(path, missing="name a file of reviewed errors")
        rows |= dict.fromkeys(documents.parse(Reviewed, text, path).rows)
    return tuple(rows)
