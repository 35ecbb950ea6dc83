# SPDX-License-Identifier: GPL-2.0-or-later
"""Known issues: what a row may say, which failures it explains, and for how long."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from builder.classes import known_issues
from builder.classes.known_issues import KnownIssue
from builder.classes.schema import schema_text
from builder.documents import DocumentError
from builder.guest.reports.known import Subject, judge
from builder.guest.verdict import BASE_TESTS
from tests.unit.boots import case

PROJECT = Path(__file__).parents[2]
TODAY = date(2026, 11, 21)
SUBJECT = Subject("debian-14-slim", "uefi", "arm64")
ROW = {
    "test": "test_system::test_no_failed_units",
    "images": "debian-14*",
    "match": r"^bar\.service",
    "tracker": "https://bugs.example.org/1",
    "expires": "2026-11-21",
    "reason": "bar starts before foo",
}
FAILED = case(ROW["test"], "failed", message="AssertionError: units\nbar.service loaded failed")


def row(**more: Any) -> KnownIssue:
    return KnownIssue.model_validate(ROW | more)


def written(folder: Path, **more: str | None) -> Path:
    path = folder / known_issues.NAME
    fields = {key: value for key, value in (ROW | more).items() if value is not None}
    text = "".join(f"    {key}: '{value}'\n" for key, value in fields.items())
    path.write_text(f"issues:\n  -\n{text}")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    assert known_issues.read(written(tmp_path)) == (row(),)
    assert known_issues.of_folder(tmp_path) == (row(),)
    assert known_issues.of_folder(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"tracker": None}, "the field issues.0.tracker is missing"),
        ({"expires": None}, "the field issues.0.expires is missing"),
        ({"reason": None}, "the field issues.0.reason is missing"),
        ({"tracker": "http://bugs.example.org/1"}, "issues.0.tracker"),
        ({"tracker": "javascript:alert(1)"}, "issues.0.tracker"),
        ({"expires": "1795233600"}, "1795233600 is no day such as 2027-01-31"),
        ({"expires": "2026-02-30"}, "issues.0.expires"),
        ({"match": "("}, "is no regular expression"),
        ({"image": "debian-13"}, "there is no field issues.0.image"),
        ({"reason": "a\n\n        b"}, "issues.0.reason"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DocumentError) as caught:
        known_issues.read(written(tmp_path, **more))
    assert sentence in caught.value.sentence


@pytest.mark.parametrize(
    ("more", "outcome", "state"),
    [
        ({}, "known", "holds"),
        ({"test": "test_system::*"}, "known", "holds"),
        ({"test": "test_sys*::test_no_failed_unit?"}, "known", "holds"),
        ({"firmware": "uefi", "arch": "arm64"}, "known", "holds"),
        ({"expires": "2026-11-20"}, "failed", "expired"),
        ({"test": "HYPERVISOR/test_system::*"}, "failed", None),
        ({"images": "debian-14"}, "failed", None),
        ({"images": "debian-13*"}, "failed", None),
        ({"firmware": "bios"}, "failed", None),
        ({"arch": "amd64"}, "failed", None),
        ({"match": "foo.service"}, "failed", None),
    ],
)
def test_what_a_row_explains(more: dict[str, str], outcome: str, state: str | None) -> None:
    (judged,) = judge([FAILED], [row(**more)], SUBJECT, TODAY)
    assert judged.outcome == outcome
    assert (judged.issue.state if judged.issue else None) == state


def test_a_row_that_holds_goes_before_one_that_does_not() -> None:
    rows = [row(expires="2026-11-01", reason="old"), row(reason="new")]
    (judged,) = judge([FAILED], rows, SUBJECT, TODAY)
    assert judged.issue is not None
    assert (judged.outcome, judged.issue.reason) == ("known", "new")


@pytest.mark.parametrize("expires", ["2026-11-20", "2026-11-21"])
def test_a_test_that_passes_may_be_fixed(expires: str) -> None:
    passed = case(ROW["test"])
    (judged,) = judge([passed], [row(expires=expires)], SUBJECT, TODAY)
    assert judged.issue is not None
    assert (judged.outcome, judged.issue.state) == ("passed", "may-be-fixed")
    # One that is about other images says nothing of this one.
    assert judge([passed], [row(images="debian-13")], SUBJECT, TODAY) == (passed,)


def test_what_did_not_run_is_neither_known_nor_fixed() -> None:
    waiting = case(ROW["test"], "not-run")
    assert judge([waiting], [row(match="")], SUBJECT, TODAY) == (waiting,)


def test_our_own_files_are_right() -> None:
    assert (BASE_TESTS / known_issues.NAME).is_file()
    for path in (
        BASE_TESTS / known_issues.NAME,
        *PROJECT.glob("classes/*/tests/known-issues.yaml"),
    ):
        known_issues.read(path)
    committed = (PROJECT / "schema/known-issues.schema.json").read_text()
    assert committed == schema_text("known-issues")
