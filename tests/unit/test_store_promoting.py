# SPDX-License-Identifier: GPL-2.0-or-later
"""Promotion: tables of rows and stores, and what holds for any of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import images
from builder.errors import InfrastructureError
from builder.manifest.model import SourceCommit
from builder.store.index import Build, StoreIndex
from builder.store.promoting import Promotion, applied, monthly, promotions
from builder.store.tags import TagRow
from tests.unit.indexes import NOW, index, one, series

CHANNELS = images.read(Path(__file__).parents[2]).channels
BASE, SITE, OTHER = "a" * 40, "b" * 40, "c" * 40


def row(serial: str, tag: str, name: str = "debian-13", ref: str = BASE) -> TagRow:
    return TagRow(name=name, src_build_tag=serial, src_ref=ref, tag=tag)


def commits(_series: str, build: Build) -> list[SourceCommit]:
    """Those of any build; that of the third of a month was not clean, the fourth has none."""
    day = build.serial[6:8]
    site = SourceCommit(overlay="site", commit=SITE, dirty=day == "03")
    base = SourceCommit(overlay="base", commit=None if day == "04" else BASE, dirty=False)
    return [base] if day == "04" else [base, site]


@pytest.mark.parametrize(
    ("builds", "asked", "outcome", "reason"),
    [
        (["release 20261101"], row("20261101", "13.2"), "create", "built from aaaaaaaaaaaa"),
        (["daily 20261101 hidden"], row("20261101", "beta"), "create", "built from"),
        (
            ["release 20261101"],
            row("20261101", "13.2", ref=f"https://git.invalid/commit/{SITE}"),
            "create",
            "built from bbbbbbbbbbbb",
        ),
        # There already; nothing is looked up.
        (["release 20261101 tag=13.2"], row("20261101", "13.2"), "there", "20261101 has it"),
        (
            ["release 20261101 tag=13.2"],
            row("20261101", "13.2", ref=OTHER),
            "there",
            "20261101 has it",
        ),
        (["rc 20261101 removed tag=13.2"], row("20261101", "13.2"), "there", "20261101 has it"),
        # Digests count, and not serials.
        (
            ["release 20261101 disk=one tag=13.2", "release 20261102 disk=one"],
            row("20261102", "13.2"),
            "there",
            "20261101 has it",
        ),
        (
            ["release 20261101 disk=one tag=13.2", "release 20261102 disk=two"],
            row("20261102", "13.2"),
            "refused",
            "it is on 20261101, which is another image, and stays",
        ),
        (
            ["rc 20261101 removed tag=13.2", "rc 20261102 removed"],
            row("20261102", "13.2"),
            "refused",
            "it is on 20261101, which is another image, and stays",
        ),
        # What is not there.
        (
            ["release 20261101"],
            row("20261101", "13.2", name="debian-13-slim"),
            "refused",
            "the store has no debian-13-slim; did you mean debian-13?",
        ),
        (
            ["release 20261101"],
            row("20261101.1", "13.2"),
            "refused",
            "debian-13 has no build 20261101.1; did you mean 20261101?",
        ),
        # What is not fit.
        (
            ["daily 20261101 removed"],
            row("20261101", "13.2"),
            "refused",
            "20261101 was removed; only its manifest is left",
        ),
        (
            ["release 20261101 unverified"],
            row("20261101", "13.2"),
            "refused",
            "20261101 was published unverified: boot-uefi",
        ),
        (
            ["release 20261101"],
            row("20261101", "13.2", ref=OTHER),
            "refused",
            "20261101 was built from aaaaaaaaaaaa (base), bbbbbbbbbbbb (site), not from"
            " cccccccccccc",
        ),
        (
            ["release 20261103"],
            row("20261103", "13.2"),
            "refused",
            "20261103 was built with changes that no commit holds: site",
        ),
        (
            ["release 20261104"],
            row("20261104", "13.2"),
            "refused",
            "20261104 was built from no commit (base), not from aaaaaaaaaaaa",
        ),
        # The same serial in two channels is the one that is found.
        (
            ["daily 20261101 removed", "release 20261101"],
            row("20261101", "13.2"),
            "create",
            "built from aaaaaaaaaaaa",
        ),
    ],
)
def test_what_a_row_does(builds: list[str], asked: TagRow, outcome: str, reason: str) -> None:
    (found,) = promotions(one("debian-13", builds), [asked], commits)
    assert (found.outcome, found.name, found.tag) == (outcome, asked.name, asked.tag)
    assert found.reason.startswith(reason)


def test_a_manifest_that_cannot_be_read_is_an_error() -> None:
    def unreadable(_series: str, _build: Build) -> list[SourceCommit]:
        raise InfrastructureError("forbidden")

    with pytest.raises(InfrastructureError):
        promotions(one("debian-13", ["release 20261101"]), [row("20261101", "13.2")], unreadable)


def test_a_tag_is_written_with_who_asked_and_when() -> None:
    store = index(
        series("debian-12", "release 20261101"),
        series("debian-13", "daily 20261101 hidden tag=alpha", "release 20261102"),
    )
    rows = [row("20261101", "beta"), row("20261101", "rc1"), row("20261109", "13.2")]
    after = applied(store, promotions(store, rows, commits), NOW)
    assert after.series[0] == store.series[0]
    promoted, other = after.series[1].builds
    assert other == store.series[1].builds[1]
    assert promoted.state == "public"
    assert [(each.tag, each.reference) for each in promoted.tags[1:]] == [
        ("beta", BASE),
        ("rc1", BASE),
    ]
    assert promoted.tags[0] == store.series[1].builds[0].tags[0]
    assert {each.date for each in promoted.tags[1:]} == {NOW}


def on(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("builds", "day", "expected"),
    [
        (["release 20261101", "release 20261120"], "2026-11-01", [("create", "20261101")]),
        (["release 20261101", "release 20261120"], "2026-11-30", [("create", "20261101")]),
        (["release 20261101.10", "release 20261101.9"], "2026-11-30", [("create", "20261101.9")]),
        (["release 20261031"], "2026-11-30", []),
        (["release 20261201"], "2026-11-30", []),
        (["daily 20261101", "release 20261120"], "2026-11-30", [("create", "20261120")]),
        (
            ["release 20261101 unverified", "release 20261102"],
            "2026-11-30",
            [("create", "20261102")],
        ),
        (["release 20261101 hidden"], "2026-11-30", []),
        (["strange 20261101"], "2026-11-30", []),
        (
            ["release 20261101", "release 20261120 tag=202611"],
            "2026-11-30",
            [("there", "20261120")],
        ),
        (["release 20261101 tag=202610"], "2026-11-30", [("create", "20261101")]),
    ],
)
def test_the_tag_of_a_month(builds: list[str], day: str, expected: list[tuple[str, str]]) -> None:
    store = one("debian-13", builds)
    found = monthly(store, CHANNELS, on(day))
    assert [(each.outcome, each.source) for each in found] == expected
    assert {each.tag for each in found} <= {"202611"}
    after = applied(store, found, on(day))
    assert {each.outcome for each in monthly(after, CHANNELS, on(day))} <= {"there"}


SERIALS = [f"202611{day:02}" for day in range(1, 6)]
TAGS = ["13.1", "13.2", "202611", "rc1"]
CHOICES = ["", "", "hidden", "removed", "unverified", "disk=one", "disk=one", "disk=two"]


@st.composite
def stores(draw: st.DrawFn) -> StoreIndex:
    """Any builds, some of them the same image, and each tag on one of them at most."""
    owners = {tag: draw(st.sampled_from([*SERIALS, None])) for tag in TAGS}
    builds = []
    for serial in sorted(draw(st.sets(st.sampled_from(SERIALS)))):
        tags = " ".join(f"tag={tag}" for tag, owner in owners.items() if owner == serial)
        channel = draw(st.sampled_from(["release", "daily"]))
        builds.append(f"{channel} {serial} {draw(st.sampled_from(CHOICES))} {tags}")
    return one("debian-13", builds)


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(SERIALS),
        st.sampled_from(TAGS),
        st.sampled_from(["debian-13", "debian-12"]),
        st.sampled_from([BASE, OTHER]),
    ),
    unique_by=lambda one: (one.name, one.tag),
)


def tags_of(store: StoreIndex) -> dict[tuple[str, str], str]:
    return {
        (entry.name, tag.tag): build.serial
        for entry in store.series
        for build in entry.builds
        for tag in build.tags
    }


@given(stores(), ROWS)
def test_promotions_never_move_a_tag_and_are_idempotent(
    store: StoreIndex, rows: list[TagRow]
) -> None:
    plan = promotions(store, rows, commits)
    after = applied(store, plan, NOW)
    before = tags_of(store)
    assert before.items() <= tags_of(after).items()
    new = {(each.name, each.tag): each.source for each in plan if each.outcome == "create"}
    assert tags_of(after) == {**before, **new}

    again = promotions(after, rows, commits)
    assert [each.outcome for each in again] == [
        "there" if each.outcome == "create" else each.outcome for each in plan
    ]
    assert applied(after, again, NOW + timedelta(days=1)) == after


@given(stores())
def test_a_month_has_one_tag_whatever_day_it_is(store: StoreIndex) -> None:
    def created(store: StoreIndex, day: int) -> list[Promotion]:
        return [
            each
            for each in monthly(store, CHANNELS, NOW.replace(day=day))
            if each.outcome == "create"
        ]

    first = created(store, 1)
    assert first == created(store, 30)
    after = applied(store, first, NOW)
    assert created(after, 30) == []
    assert tags_of(store).items() <= tags_of(after).items()
