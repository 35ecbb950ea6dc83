# SPDX-License-Identifier: GPL-2.0-or-later
"""Known issues and the tests of a boot: which failures they explain, and which may be fixed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from builder.classes.known_issues import KnownIssue
from builder.guest.reports.report import Issue, State, Test


@dataclass(frozen=True)
class Subject:
    """What was booted and how: the series (of a file, its name), the firmware, Debian's arch."""

    image: str
    firmware: str
    arch: str


def judge(
    tests: Sequence[Test], issues: Sequence[KnownIssue], subject: Subject, today: date
) -> tuple[Test, ...]:
    """The tests with the known issues that they meet; a failure that one explains is `known`.

    An issue whose day is over explains nothing, and the test says so. What did not run meets none.
    """
    about = [row for row in issues if _about(row, subject)]
    return tuple(_judged(test, about, today) for test in tests)


def _about(row: KnownIssue, subject: Subject) -> bool:
    pairs = (
        (subject.image, row.images),
        (subject.firmware, row.firmware),
        (subject.arch, row.arch),
    )
    return all(fnmatchcase(value, pattern) for value, pattern in pairs)


def _judged(test: Test, rows: Sequence[KnownIssue], today: date) -> Test:
    """One test; of several rows that explain a failure, one that still holds goes first."""
    rows = [row for row in rows if fnmatchcase(test.name, row.test)]
    if not rows or test.outcome == "not-run":
        return test
    if test.outcome == "passed":
        return test.model_copy(update={"issue": _issue(rows[0], "may-be-fixed")})
    rows = [row for row in rows if re.search(row.match, test.message, re.MULTILINE)]
    if not rows:
        return test
    row = max(rows, key=lambda row: row.expires)
    if row.expires < today:
        return test.model_copy(update={"issue": _issue(row, "expired")})
    return test.model_copy(update={"outcome": "known", "issue": _issue(row, "holds")})


def _issue(row: KnownIssue, state: State) -> Issue:
    return Issue(state=state, tracker=row.tracker, expires=row.expires, reason=row.reason)
