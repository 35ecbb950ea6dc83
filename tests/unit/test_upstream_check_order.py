# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of two versions is the older one, when both are written alike, and when they are not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builder.manifest.imported import Origin
from builder.upstream import checking
from builder.upstream.shelf import Had
from tests.unit.indexes import build

# What a store has, and its day.
CASES = [
    # Numbers are numbers.
    ("10.9-20261101", "10.10-20261101", False),
    ("10.10-20261101", "10.9-20261101", True),
    ("20261101.9", "20261101.10", False),
    ("20261101.10", "20261101.9", True),
    # A newer build of an older release is no update.
    ("9.8-20261101", "9.7-20261120", True),
    # It is the same one, with other content.
    ("10.1-20261101", "10.1-20261101", False),
    # Its makers, or its YAML file, write versions in another way now: the day tells.
    ("10.2-20261101", "10.2-20261101.1", False),
    ("10.2-20261101.1", "10.2-20261101", True),
    ("20261101", "10.2-20261105", False),
    ("10.2-20261101", "20261031", True),
    ("10.2-20261101", "20261102", False),
]


@pytest.mark.parametrize(("ours", "theirs", "older"), CASES)
def test_which_one_is_older(ours: str, theirs: str, older: bool) -> None:
    day = next(word for word in ours.replace("-", ".").split(".") if len(word) == 8)
    made = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    origin = Origin(url="u", retrieved=made, version=ours, date=made, vouched="TLS")
    had = Had(build("alma-10", f"upstream {day}"), origin, ())
    serial = next(word for word in theirs.replace("-", ".").split(".") if len(word) == 8)
    assert checking._is_older(theirs, serial, had) is older


def test_a_build_whose_makers_tell_no_day_has_that_of_its_serial() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    origin = Origin(url="u", retrieved=now, version="1.0", vouched="TLS")
    had = Had(build("alma-10", "upstream 20261105.2"), origin, ())
    assert had.upstream_day == "20261105"
    assert checking._is_older("1.0.1", "20261104", had)
    assert not checking._is_older("1.0.1", "20261106", had)
