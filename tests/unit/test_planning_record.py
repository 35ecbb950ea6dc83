# SPDX-License-Identifier: GPL-2.0-or-later
"""The log of decisions keeps every one, also after a writer was killed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.manifest.decision import Decision, Published, Reason
from builder.planning.record import Record


def decision(day: int, **more: object) -> Decision:
    return Decision.model_validate(
        {
            "name": "debian-13",
            "date": datetime(2026, 11, day, tzinfo=UTC),
            "policy": "security",
            "answer": "skip",
            **more,
        }
    )


FULL = decision(
    2,
    answer="publish",
    published=Published(serial="20261101", date=datetime(2026, 11, 1, tzinfo=UTC)),
    reasons=(Reason(kind="security", effect="publish", package="openssl", text="1 → 2"),),
)


def test_what_is_added_is_read_in_order(tmp_path: Path) -> None:
    record = Record(tmp_path / "decisions")
    assert list(record.of("debian-13")) == []
    for each in (decision(1), FULL):
        record.add(each)
    record.add(decision(3).model_copy(update={"name": "debian-12"}))
    assert list(record.of("debian-13")) == [decision(1), FULL]
    assert len((tmp_path / "decisions/debian-13.jsonl").read_text().splitlines()) == 2


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.add(decision(1))
    with (tmp_path / "debian-13.jsonl").open("a") as stream:
        stream.write('{"apiVersion": "fai-fo')
    assert list(record.of("debian-13")) == [decision(1)]
    record.add(FULL)
    assert list(record.of("debian-13")) == [decision(1), FULL]


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "debian-13.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match=r"debian-13.jsonl, line 1: this is no decision"):
        list(Record(tmp_path).of("debian-13"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match="cannot be recorded"):
        Record(tmp_path / "file").add(FULL)
