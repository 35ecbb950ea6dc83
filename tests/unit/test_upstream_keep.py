# SPDX-License-Identifier: GPL-2.0-or-later
"""Channels that keep the newest builds of each series, however old they are."""

from __future__ import annotations

from datetime import date

import pytest

from builder import images
from builder.channels import Channel
from builder.store.index import SeriesEntry
from builder.store.retention import Keeps, Step, expiry, surplus
from tests.unit.indexes import NOW, index, series
from tests.unit.test_store_retention import CHANNELS

CHANNEL = "upstream"
DAYS = [f"{CHANNEL} 202611{day:02}" for day in range(1, 6)]


def nobody_asks(_entry: SeriesEntry) -> date | None:
    raise AssertionError("no release's end matters here")


def nothing(_entry: SeriesEntry) -> int | None:
    return None


def plan(builds: list[str], keeps: Keeps = nothing) -> tuple[Step, ...]:
    return expiry(index(series("alma-10", *builds)), CHANNELS, nobody_asks, NOW, keeps)


def removed(steps: tuple[Step, ...]) -> list[str]:
    assert all(step.action in ("keep", "remove") for step in steps)
    return [step.build.serial for step in steps if step.action == "remove"]


def test_the_newest_three_stay() -> None:
    assert removed(plan(DAYS)) == ["20261101", "20261102"]
    assert removed(plan(DAYS[:3])) == []


def test_a_series_may_have_a_number_of_its_own() -> None:
    assert removed(plan(DAYS, lambda _: 1)) == [f"2026110{day}" for day in range(1, 5)]
    assert removed(plan(DAYS, lambda _: 9)) == []


def test_builds_of_a_day_count_by_their_numbers() -> None:
    days = [f"{CHANNEL} 20261101.{number}" for number in (10, 9, 2)]
    assert removed(plan([f"{CHANNEL} 20261101", *days])) == ["20261101"]


def test_what_is_pinned_stays_and_counts() -> None:
    assert removed(plan([f"{DAYS[0]} tag=10.1", *DAYS[1:]])) == ["20261102"]
    assert removed(plan([*DAYS[:4], f"{DAYS[4]} tag=10.1"])) == ["20261101", "20261102"]


def test_only_its_own_builds_count() -> None:
    """What is removed, or of another channel, keeps nothing else away."""
    assert removed(plan([f"{DAYS[0]} removed", *DAYS[1:4]])) == []
    assert removed(plan([*DAYS[:3], "daily 20261120"])) == []


def test_why_is_said() -> None:
    assert [step.reason for step in plan(DAYS)] == [
        "there are 3 newer ones",
        "there are 3 newer ones",
        "one of the newest 3",
        "one of the newest 3",
        "the newest build",
    ]
    assert plan(DAYS[:2], lambda _: 1)[0].reason == "there is a newer one"


def test_one_newer_build_may_be_counted_before_it_is_there() -> None:
    """A dry run says what would go."""
    entry = series("alma-10", *DAYS[:3])
    assert [each.serial for each in surplus(entry, CHANNEL, 2)] == ["20261101"]
    assert len(surplus(entry, CHANNEL, 0)) == 3


@pytest.mark.parametrize("name", ["release", "daily"])
def test_other_channels_ask_nobody(name: str) -> None:
    def asked(_entry: SeriesEntry) -> int | None:
        raise AssertionError("only keep_last counts builds")

    store = index(series("debian-13", f"{name} 20261101", f"{name} 20261102"))
    assert len(expiry(store, CHANNELS, lambda _: None, NOW, asked)) == 2


def test_our_channel_keeps_three() -> None:
    assert CHANNELS[CHANNEL].keep_last == images.Images().channel(CHANNEL).keep_last == 3
    assert not Channel(summary="x", keep_last=1).released
