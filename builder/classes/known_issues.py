# SPDX-License-Identifier: GPL-2.0-or-later
"""`known-issues.yaml`: tests of booted images that fail for a reason which is in a bug tracker.

A row holds until a day that it names. So nobody forgets it, and a failure of another kind, in
another test or with another text, is never hidden by it.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from builder import documents
from builder.classes.offline import Regex

NAME: Final = "known-issues.yaml"
FILE: Final = f"tests/{NAME}"

Pattern = Annotated[str, StringConstraints(pattern=r"^\S+$")]
Line = Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]
Day = Annotated[date, BeforeValidator(lambda text: _day(text))]
Link = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+/\S*$")]


def _day(text: object) -> object:
    """pydantic would take a number for seconds since 1970, too."""
    if isinstance(text, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"{text} is no day such as 2027-01-31")
    return text


class KnownIssue(BaseModel):
    """One failure that is expected for now."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    test: Pattern
    """The tests, such as test_system::test_no_failed_units; fnmatch's wildcards are allowed."""
    images: Pattern
    """The series, such as debian-14*."""
    firmware: Pattern = "*"
    """What it is booted by, such as secureboot."""
    arch: Pattern = "*"
    """Debian's name of the architecture."""
    match: Regex
    """A regular expression that is found in the failure's text; ^ and $ are those of a line."""
    tracker: Link
    """Where the bug is worked on, with https."""
    expires: Day
    """The last day on which this holds, as YYYY-MM-DD."""
    reason: Line
    """What is wrong, in one line."""


class KnownIssuesFile(BaseModel):
    """The known issues of the base tests, or of a class."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    issues: tuple[KnownIssue, ...]
    """One row for each."""


def read(path: Path) -> tuple[KnownIssue, ...]:
    """The rows of a file, in its order; raises DocumentError."""
    text = documents.read_text(path, missing="it lies beside the tests that it is about")
    schema = "schema/known-issues.schema.json"
    return documents.parse(KnownIssuesFile, text, path, schema).issues


def of_folder(tests: Path) -> tuple[KnownIssue, ...]:
    """The rows of a folder of tests; none where it has no such file."""
    path = tests / NAME
    return read(path) if path.is_file() else ()
