# SPDX-License-Identifier: GPL-2.0-or-later
"""Expiry: tables of builds and days, and what holds for any store on any day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import distros, images, names
from builder.channels import DEFAULTS, Channel
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.store.index import Build, Delta, SeriesEntry, StoreIndex, changed
from builder.store.retention import Step, applied, expiry, leftovers
from tests.unit.indexes import NOW, build, index, one, series

CHANNELS = images.read(Path(__file__).parents[2]).channels
ENDS = date(2026, 8, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def from_distro_info(entry: SeriesEntry) -> date | None:
    return distros.end_of_life(entry.distro, entry.release)


def plan(builds: list[str], now: datetime, ends: date | None = ENDS) -> tuple[Step, ...]:
    store = index(series("debian-13", *builds), date=min(now, NOW))
    return expiry(store, CHANNELS, lambda _: ends, now)


# A daily build of the first day of a month, with a newer one so that it is not the last.
NEWER = "daily 20261031"


@pytest.mark.parametrize(
    ("builds", "now", "expected"),
    [
        # By age: to the second.
        (["daily 20261001", NEWER], "2026-11-01T12:00", "hide"),
        (["daily 20261018", NEWER], "2026-11-01T11:59", "keep"),
        (["daily 20261018", NEWER], "2026-11-01T12:00", "hide"),
        (["daily 20261018 hidden", NEWER], "2026-11-01T12:00", "keep"),
        (["daily 20261018 hidden", NEWER], "2026-12-17T11:59", "keep"),
        (["daily 20261018 hidden", NEWER], "2026-12-17T12:00", "remove"),
        # Nobody looked for a long time.
        (["daily 20261018", NEWER], "2027-12-17T12:00", "remove"),
        # Channels of their own.
        (["rc 20261018", NEWER], "2026-12-16T12:00", "keep"),
        (["rc 20261018", NEWER], "2026-12-17T12:00", "hide"),
        (["rc 20261018 hidden", NEWER], "2027-04-16T12:00", "remove"),
        # The newest stays, by its serial as a number; only public ones count.
        (["daily 20261018"], "2030-01-01T00:00", "keep"),
        (["daily 20261018.10", "daily 20261018.9"], "2030-01-01T00:00", "keep"),
        (["daily 20261018", "daily 20261019 hidden"], "2030-01-01T00:00", "keep"),
        (["daily 20261018", "daily 20261019 removed"], "2030-01-01T00:00", "keep"),
        (["daily 20261018 hidden"], "2030-01-01T00:00", "remove"),
        (["daily 20261018 hidden", "release 20261018"], "2030-01-01T00:00", "remove"),
        # Tags, for ever and in any state.
        (["daily 20261018 tag=13.2", NEWER], "2040-01-01T00:00", "keep"),
        (["daily 20261018 hidden tag=13.2", NEWER], "2040-01-01T00:00", "keep"),
        (["release 20261018 tag=13.2", "release 20261019"], "2040-01-01T00:00", "keep"),
        # By release: its last day and 90 days, all of the last of them.
        (["release 20251018", "release 20251019"], "2026-10-30T23:59", "keep"),
        (["release 20251018", "release 20251019"], "2026-10-31T00:00", "remove"),
        (["release 20251018 hidden", "release 20251019"], "2026-10-31T00:00", "remove"),
        # The newest released build is not replaced by a daily one, which is the newest of all.
        (["release 20251019", "daily 20251020"], "2040-01-01T00:00", "keep"),
        (["release 20251018", "daily 20251017"], "2040-01-01T00:00", "keep"),
    ],
)
def test_what_happens_to_the_first_build(builds: list[str], now: str, expected: str) -> None:
    step = plan(builds, at(now))[0]
    assert (step.action, step.build) == (expected, build("debian-13", builds[0])), step.reason


@pytest.mark.parametrize(
    ("builds", "now", "ends", "reason"),
    [
        (["daily 20261018", NEWER], "2026-10-31T13:00", ENDS, "13 days old; hidden after 14 days"),
        (
            ["daily 20261018 hidden", NEWER],
            "2026-11-01T12:00",
            ENDS,
            "14 days old; removed after 60 days",
        ),
        (
            ["daily 20261018", NEWER],
            "2026-11-02T12:00",
            ENDS,
            "15 days old; daily builds are hidden after 14 days",
        ),
        (
            ["daily 20261018", NEWER],
            "2027-01-02T12:00",
            ENDS,
            "76 days old; daily builds are removed after 60 days",
        ),
        (["daily 20261018 tag=13.2 tag=202610"], "2027-01-02T12:00", ENDS, "tagged 13.2, 202610"),
        (["daily 20261018"], "2027-01-02T12:00", ENDS, "the newest build"),
        (
            ["release 20261018", "daily 20261019"],
            "2027-01-02T12:00",
            ENDS,
            "the newest released build",
        ),
        (
            ["release 20251018", "release 20251019"],
            "2026-01-01T00:00",
            ENDS,
            "until 2026-10-30: debian 13 ends on 2026-08-01, and 90 days",
        ),
        (
            ["release 20251018", "release 20251019"],
            "2027-01-01T00:00",
            ENDS,
            "debian 13 ended on 2026-08-01, more than 90 days ago",
        ),
        (
            ["release 20251018", "release 20251019"],
            "2027-01-01T00:00",
            None,
            "its release has no end of life yet",
        ),
    ],
)
def test_the_reason_is_said(builds: list[str], now: str, ends: date | None, reason: str) -> None:
    assert plan(builds, at(now), ends)[0].reason == reason


@pytest.mark.parametrize(
    ("name", "builds", "now", "error", "said"),
    [
        (
            "debian-13",
            ["dialy 20261018"],
            NOW,
            UsageError,
            "debian-13-20261018 is in the channel dialy, which images.yaml does not have;"
            " did you mean daily?",
        ),
        # What is the newest, or tagged, is not excepted: it may not be tomorrow.
        ("debian-13", ["x 20261018 tag=13.2"], NOW, UsageError, "is in the channel x"),
        ("alma-9", ["release 20261018"], NOW, UsageError, "the end of life of alma 9"),
        (
            "debian-13",
            ["daily 20261122"],
            NOW,
            InfrastructureError,
            "debian-13-20261122 is from the future: it is 2026-11-21 12:00 here",
        ),
        ("debian-13", ["x 20271122 removed"], NOW, InfrastructureError, "debian-13-20271122"),
        ("debian-13", [], NOW - timedelta(seconds=1), InfrastructureError, "the index is from the"),
    ],
)
def test_what_is_not_understood_stops_it(
    name: str, builds: list[str], now: datetime, error: type[ForgeError], said: str
) -> None:
    with pytest.raises(error) as caught:
        expiry(one(name, builds), CHANNELS, from_distro_info, now)
    assert said in caught.value.message
    assert caught.value.hint


def test_a_serial_alone_may_be_from_the_future() -> None:
    early = build("debian-13", "daily 20261122").model_copy(update={"published": NOW})
    entry = series("debian-13").model_copy(update={"builds": (early,)})
    with pytest.raises(InfrastructureError, match="debian-13-20261122 is from the future"):
        expiry(index(entry), CHANNELS, from_distro_info, NOW)


def test_a_channel_or_a_release_that_nobody_asks_about_may_be_unknown() -> None:
    store = index(series("alma-9", "daily 20261101"), series("debian-13", "old 20261101 removed"))
    assert [step.action for step in expiry(store, CHANNELS, from_distro_info, NOW)] == ["keep"]


@pytest.mark.parametrize(
    ("distro", "release", "ends"),
    [
        # Long-term support ends later than Debian's own; what is sold for Ubuntu is not counted.
        ("debian", "12", date(2028, 6, 30)),
        ("debian", "sid", None),
        ("ubuntu", "2510", date(2026, 7, 9)),
    ],
)
def test_the_end_of_life_is_that_of_distro_info(
    distro: str, release: str, ends: date | None
) -> None:
    assert distros.end_of_life(distro, release) == ends


@pytest.mark.parametrize(("distro", "release"), [("alma", "9"), ("debian", "99"), ("nix", "1")])
def test_nobody_knows_the_end_of_life(distro: str, release: str) -> None:
    with pytest.raises(UsageError, match=f"end of life of {distro} {release}"):
        distros.end_of_life(distro, release)


def test_what_was_removed_stays_as_a_tombstone() -> None:
    store = index(
        series("debian-12", "release 20261101"),
        series("debian-13", "daily 20260901", "daily 20261101", "daily 20261121"),
    )
    after = applied(store, expiry(store, CHANNELS, from_distro_info, NOW))
    assert after.series[0] == store.series[0]
    removed, hidden, newest = after.series[1].builds
    before = store.series[1].builds
    assert (removed.state, removed.images, removed.metadata) == ("removed", (), None)
    assert (removed.manifest, removed.sums) == (before[0].manifest, before[0].sums)
    assert hidden == before[1].model_copy(update={"state": "hidden"})
    assert newest == before[2]
    assert StoreIndex.model_validate(after.model_dump()) == after


def test_deltas_go_with_their_build_and_outlive_their_base() -> None:
    store = index(series("debian-13", "daily 20260801", "daily 20260802", NEWER))
    delta = Delta(name="delta", size=1, sha256="0" * 64, format="qcow2", base="20260801")
    with_deltas = changed(store, lambda _, build: build.model_copy(update={"deltas": (delta,)}))
    steps = expiry(with_deltas, CHANNELS, lambda _: ENDS, NOW)
    removed, _, newest = applied(with_deltas, steps).series[0].builds
    assert (removed.state, removed.deltas) == ("removed", ())
    assert newest.deltas == (delta,)
    assert "delta" in leftovers(removed, ["delta", removed.manifest.name])


def test_one_serial_in_two_channels_is_two_builds() -> None:
    store = one("debian-13", ["daily 20260901", "release 20260901", "release 20261101"])
    after = applied(store, expiry(store, CHANNELS, from_distro_info, NOW))
    assert [build.state for build in after.series[0].builds] == ["removed", "public", "public"]


def test_the_manifest_and_the_signed_lists_stay() -> None:
    tombstone = build("debian-13", "daily 20260901 removed")
    name = "debian-13-20260901"
    stays = [
        f"{name}.manifest.json",
        "SHA256SUMS",
        "SHA256SUMS.asc",
        "SHA256SUMS.gpg",
        "SHA512SUMS",
        "SHA512SUMS.asc",
    ]
    goes = ["README.md", "SHA256SUMS.old", f"{name}.manifest", f"{name}.qcow2"]
    assert leftovers(tombstone, [*goes, *stays]) == tuple(goes)
    assert leftovers(tombstone, stays) == ()


STATES_AND_TAGS = ["", "", "", "hidden", "removed", "tag=13.2", "hidden tag=13.3", "unverified"]


@st.composite
def stores(draw: st.DrawFn) -> StoreIndex:
    """Any builds of two series in any states; all of them of the past."""
    entries = []
    for name in ("debian-13", "debian-14"):
        days = draw(st.lists(st.integers(0, 2000), max_size=8, unique=True))
        entries.append(
            series(
                name,
                *(
                    f"{draw(st.sampled_from(sorted(CHANNELS)))} "
                    f"{NOW - timedelta(days=day):%Y%m%d} {draw(st.sampled_from(STATES_AND_TAGS))}"
                    for day in sorted(days, reverse=True)
                ),
            )
        )
    return index(*entries)


def public(entry: SeriesEntry) -> list[Build]:
    found = [build for build in entry.builds if build.state == "public"]
    return sorted(found, key=lambda build: names.serial_key(build.serial))


@given(stores(), st.integers(0, 4000), st.dates(date(2020, 1, 1), date(2040, 1, 1)) | st.none())
def test_neither_the_newest_nor_a_tagged_build_is_ever_removed(
    store: StoreIndex, days: int, ends: date | None
) -> None:
    now = NOW + timedelta(days=days)
    after = applied(store, expiry(store, CHANNELS, lambda _: ends, now))
    for old, new in zip(store.series, after.series, strict=True):
        assert public(old)[-1:] == public(new)[-1:]
        for was, has in zip(old.builds, new.builds, strict=True):
            order = ["public", "hidden", "removed"]
            assert order.index(was.state) <= order.index(has.state)
            if was.tags:
                assert has == was
            assert (has.state == "removed") == (not has.images)
    again = expiry(after, CHANNELS, lambda _: ends, now)
    assert {step.action for step in again} <= {"keep"}


@given(stores(), st.integers(0, 1000), st.integers(0, 1000))
def test_a_later_day_keeps_no_more(store: StoreIndex, days: int, more: int) -> None:
    def gone(at: int) -> set[str]:
        steps = expiry(store, CHANNELS, lambda _: ENDS, NOW + timedelta(days=at))
        return {f"{step.series}-{step.build.serial}" for step in steps if step.action == "remove"}

    assert gone(days) <= gone(days + more)


def test_the_channels_that_are_meant_without_any_do_the_same() -> None:
    store = one("debian-13", ["daily 20260901", "daily 20261101", "release 20261121"])
    channels: dict[str, Channel] = dict(DEFAULTS)
    assert expiry(store, channels, from_distro_info, NOW) == expiry(
        store, CHANNELS, from_distro_info, NOW
    )
