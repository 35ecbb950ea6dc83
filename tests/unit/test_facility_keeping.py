# SPDX-License-Identifier: GPL-2.0-or-later
"""Which builds of a site's store go, and which nothing may remove."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from builder.facility.config import Facility
from builder.facility.keeping import Plan, Uses, plan
from builder.store.index import Build, Digest, Image, SeriesEntry, StoreIndex, TagEntry

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GB = 10**9
SHA = "a" * 64


def facility(quota: str = "", custom: Mapping[str, Any] | None = None) -> Facility:
    store = {"path": "images", "key": "A" * 40} | ({"quota": quota} if quota else {})
    return Facility.model_validate(
        {
            "name": "north",
            "store": store,
            "remotes": {
                "portal": {"kind": "store", "url": "https://a.example.org", "keyring": "k"}
            },
            "series": [{"match": "debian-13", "to": ["pool"]}],
            "targets": {"pool": {"kind": "libvirt"}},
            "custom": custom or {},
        }
    )


def build(
    days: int, *, channel: str = "release", size: int = GB, tags: tuple[str, ...] = (), **more: Any
) -> Build:
    """A build that was made and published so many days ago."""
    day = NOW - timedelta(days=days)
    small = Digest(name="x.json", size=0, sha256=SHA)
    return Build(
        serial=f"{day:%Y%m%d}",
        channel=channel,
        published=day,
        images=(Image(name="x.qcow2", size=size, sha256=SHA, format="qcow2"),),
        manifest=small,
        sums=small,
        tags=tuple(TagEntry(tag=tag, date=day) for tag in tags),
        **more,
    )


def index(**series: list[Build]) -> StoreIndex:
    entries = tuple(
        SeriesEntry(
            name=name.replace("_", "-"),
            title="An image",
            distro="debian",
            release="13",
            codename="",
            arch="amd64",
            roles=(),
            builds=tuple(builds),
        )
        for name, builds in series.items()
    )
    return StoreIndex(serial=1, date=NOW, valid_until=NOW + timedelta(days=1), series=entries)


def gone(found: Plan) -> list[str]:
    """What goes, as SERIES and the age in days."""
    return [
        f"{name} {(NOW.date() - datetime.strptime(each.serial[:8], '%Y%m%d').date()).days}"
        for name, each in found.removed
    ]


def custom(*days: int, **more: Any) -> list[Build]:
    return [build(each, channel="custom", **more) for each in days]


def test_custom_images_go_by_number() -> None:
    found = plan(index(ours=custom(9, 5, 3, 1)), facility(custom={"keep": 2}), Uses(), NOW)
    assert gone(found) == ["ours 9", "ours 5"]


def test_custom_images_go_by_age_only_beyond_their_number() -> None:
    rule = {"keep": 2, "expire_after": "7d"}
    found = plan(index(ours=custom(9, 5, 3, 1)), facility(custom=rule), Uses(), NOW)
    assert gone(found) == ["ours 9"]
    assert "goes after 7 days" in found.steps[1].reason
    found = plan(index(ours=custom(90, 80)), facility(custom=rule), Uses(), NOW)
    assert gone(found) == []


def test_what_sync_took_in_is_left_to_sync() -> None:
    found = plan(index(debian_13=[build(90), build(80), build(1)]), facility(), Uses(), NOW)
    assert gone(found) == []
    assert found.steps[0].reason == "sync looks after it"


def test_the_oldest_of_all_go_until_the_quota_is_met() -> None:
    store = index(a=[build(9), build(5), build(1)], b=[build(7), build(2)])
    assert gone(plan(store, facility("3GB"), Uses(), NOW)) == ["a 9", "b 7"]
    assert gone(plan(store, facility("5GB"), Uses(), NOW)) == []
    assert gone(plan(store, facility("4GB"), Uses(), NOW)) == ["a 9"]


def test_what_the_custom_rule_removes_counts_for_the_quota() -> None:
    store = index(ours=custom(4, 3, 2, 1), debian_13=[build(9), build(1)])
    found = plan(store, facility("4GB", {"keep": 2}), Uses(), NOW)
    assert gone(found) == ["ours 4", "ours 3"]


@pytest.mark.parametrize("quota", ["1GB", "2GB"])
def test_a_quota_that_cannot_be_met_is_told(quota: str) -> None:
    found = plan(index(a=[build(9), build(1)], b=[build(8)]), facility(quota), Uses(), NOW)
    assert gone(found) == ["a 9"]
    assert found.over == (2 - int(quota[0])) * GB


def test_nothing_removes_what_is_pinned_newest_or_in_use() -> None:
    store = index(
        a=[build(9, tags=("202610",)), build(8), build(7), build(1)],
        ours=custom(20, 19, 18, 17, 16),
    )
    uses = Uses({("a", build(8).serial): "in use at pool", ("ours", build(19).serial): "in use"})
    found = plan(store, facility("1MB", {"keep": 1}), uses, NOW)
    assert gone(found) == ["a 7", "ours 20", "ours 18", "ours 17"]
    assert [step.reason for step in found.steps[:2]] == ["tagged 202610", "in use at pool"]


def test_the_newest_of_each_channel_stays() -> None:
    store = index(a=[build(9), build(8), build(2, channel="daily"), build(1, channel="daily")])
    assert gone(plan(store, facility("1MB"), Uses(), NOW)) == ["a 9", "a 2"]


def test_a_hidden_build_is_not_the_newest() -> None:
    store = index(a=[build(9), build(1, state="hidden")])
    assert gone(plan(store, facility("1MB"), Uses(), NOW)) == ["a 1"]


def test_of_hidden_builds_alone_the_newest_stays() -> None:
    store = index(a=[build(9, state="hidden"), build(1, state="hidden")])
    assert gone(plan(store, facility("1MB"), Uses(), NOW)) == ["a 9"]


def test_a_target_without_an_answer_keeps_what_may_be_there() -> None:
    store = index(debian_13=[build(9), build(1)], other=[build(8), build(1)])
    found = plan(store, facility("1MB"), Uses(silent=frozenset({"pool"})), NOW)
    assert gone(found) == ["other 8"]
    assert found.steps[0].reason == "it may be in use at pool, which gives no answer"


def test_removed_builds_take_nothing_and_are_no_newest() -> None:
    store = index(a=[build(9), build(5), build(1, state="removed")])
    found = plan(store, facility("1GB"), Uses(), NOW)
    assert gone(found) == ["a 9"]
    assert (found.before, found.after, found.over) == (2 * GB, GB, 0)
    assert len(found.steps) == 2
