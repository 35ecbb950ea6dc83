# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs side by side: order, errors, and how many at a time."""

from __future__ import annotations

import threading

import pytest

from builder.side_by_side import side_by_side


def test_results_come_in_the_order_of_the_jobs() -> None:
    first = threading.Event()

    def late() -> str:
        assert first.wait(10)
        return "late"

    def early() -> str:
        first.set()
        return "early"

    assert side_by_side([late, early], 2) == ["late", "early"]


def test_no_more_than_workers_at_a_time() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def job() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.01)
        with lock:
            now -= 1

    side_by_side([job] * 8, 2)
    assert most == 2


def test_an_error_stops_what_has_not_begun() -> None:
    begun = []

    def fail() -> None:
        raise ValueError("no")

    def note() -> None:
        begun.append(1)

    with pytest.raises(ValueError, match="no"):
        side_by_side([fail, *[note] * 50], 1)
    assert len(begun) < 50


def test_nothing_to_do() -> None:
    assert side_by_side([], 3) == []
