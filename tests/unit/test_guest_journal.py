# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors in a journal: which are reviewed, which are not, and which review has expired."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from builder.classes.reviewed_errors import FILE, Row, read
from builder.documents import DocumentError
from builder.guest import journal

TODAY = date(2026, 11, 21)
VSOCK = "systemd-ssh-generator: Failed to query local AF_VSOCK CID: Cannot assign requested address"
ROWS = """
rows:
  - pattern: 'probe: nothing to (see|do) here'
    reason: it is a probe
    link: https://bugs.example.org/1
    expires: 2026-11-21
"""


def rows(tmp_path: Path, text: str) -> tuple[Row, ...]:
    path = tmp_path / FILE
    path.write_text(text)
    return read([path])


def test_a_reviewed_error_is_nothing_to_say(tmp_path: Path) -> None:
    review = journal.review(["probe: nothing to see here"], rows(tmp_path, ROWS), TODAY)
    assert review == journal.Review((), ())


def test_another_error_is_named_once(tmp_path: Path) -> None:
    """A pattern is for the whole line."""
    line = "probe: nothing to see here, or is there"
    review = journal.review([line, line], rows(tmp_path, ROWS), TODAY)
    assert review.unexplained == (line,)
    assert str(review) == f"not reviewed: {line}"


def test_an_expired_row_is_named(tmp_path: Path) -> None:
    known = rows(tmp_path, ROWS)
    review = journal.review(["probe: nothing to do here"], known, date(2026, 11, 22))
    assert (review.unexplained, review.expired) == ((), known)
    assert "until 2026-11-21" in str(review)
    assert "https://bugs.example.org/1" in str(review)


def test_an_expired_row_that_is_not_needed_is_nothing_to_say(tmp_path: Path) -> None:
    assert str(journal.review([], rows(tmp_path, ROWS), date(2027, 1, 1))) == ""


def test_one_row_that_holds_is_enough(tmp_path: Path) -> None:
    later = ROWS + ROWS.replace("rows:", "").replace("2026-11-21", "2027-01-01")
    review = journal.review(["probe: nothing to do here"], rows(tmp_path, later), date(2026, 12, 1))
    assert str(review) == ""


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("(see|do)", "(see", "no regular expression"),
        ("2026-11-21", "never", "expires"),
        ("    expires: 2026-11-21\n", "", "expires is missing"),
        ("https://bugs.example.org/1", "somewhere", "link"),
        ("it is a probe", "''", "reason"),
        ("probe: nothing to (see|do) here", ".*", "pattern"),
    ],
)
def test_a_row_says_all_or_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    with pytest.raises(DocumentError, match=what):
        rows(tmp_path, ROWS.replace(old, new))


def test_the_list_for_all_images() -> None:
    known = read([journal.BASE])
    assert known
    assert str(journal.review([VSOCK], known, TODAY)) == ""


def test_entries_have_a_name_and_text() -> None:
    output = (
        '{"SYSLOG_IDENTIFIER":"probe","MESSAGE":"one\\n two"}\n'
        '{"SYSLOG_IDENTIFIER":"probe","MESSAGE":[111,110,101,255]}\n'
        '{"_COMM":"libvirtd","MESSAGE":"no KVM"}\n'
        '{"SYSLOG_IDENTIFIER":"probe","_COMM":"sh","MESSAGE":"one"}\n'
        '{"MESSAGE":null}\n'
    )
    assert journal.lines(output) == [
        "probe: one\n two",
        "probe: one\ufffd",
        "libvirtd: no KVM",
        "probe: one",
        "unknown: ",
    ]
