# SPDX-License-Identifier: GPL-2.0-or-later
"""Expiry of a site's store, done, and what is brought to targets and taken away there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.facility import initial, placing
from builder.facility.config import CUSTOM
from builder.facility.expiring import expire
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.facility.targets.target import Held, Target
from builder.progress import NoProgress
from builder.store.index import Build
from tests.unit.facilityworld import FakeTarget, World, world
from tests.unit.stores import NOW, build

SERIALS = ("20261101", "20261102", "20261103")
NAME = "debian-13-ours"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store with three custom builds, of which one is kept."""
    found = world(tmp_path, monkeypatch, {"custom": {"keep": 1, "to": ["pool"]}})
    for day, serial in enumerate(SERIALS):
        built = build(tmp_path / "out", serial, name=NAME, image=serial.encode())
        found.site.store.admit(built.folder, CUSTOM, NOW + timedelta(hours=day), NoProgress())
    return found


def states(world: World) -> dict[str, str]:
    entry = world.site.store.entry(NAME)
    assert entry is not None
    return {each.serial: each.state for each in entry.builds}


LATER = NOW + timedelta(days=1)


def test_what_need_not_be_kept_goes_here_and_at_the_target(here: World) -> None:
    here.targets["pool"].there = [
        Held(NAME, SERIALS[0], "a", current=False),
        Held(NAME, SERIALS[2], "c", current=True),
        Held("another", SERIALS[0], "d", current=False),
    ]
    dry = expire(here.site, LATER, here.doors, dry_run=True)
    assert [build.serial for _, build in dry.plan.removed] == list(SERIALS[:2])
    assert set(states(here).values()) == {"public"}
    done = expire(here.site, LATER, here.doors)
    assert done.plan == dry.plan
    assert states(here) == dict(zip(SERIALS, ("removed", "removed", "public"), strict=True))
    assert [each.reference for each in here.targets["pool"].removed] == ["a"]


@pytest.mark.parametrize("held", [{"in_use": True, "current": False}, {"current": True}])
def test_what_a_target_needs_stays(here: World, held: dict[str, bool]) -> None:
    here.targets["pool"].there = [Held(NAME, SERIALS[0], "a", **held)]
    expire(here.site, LATER, here.doors)
    assert states(here) == dict(zip(SERIALS, ("public", "removed", "public"), strict=True))
    assert here.targets["pool"].removed == []


def test_a_target_that_is_silent_keeps_its_series_and_is_told_of(here: World) -> None:
    here.targets["pool"].broken = True
    done = expire(here.site, LATER, here.doors)
    assert set(states(here).values()) == {"public"}
    assert done.errors == ("pool: the pool is not there",)


def test_an_empty_store_has_nothing_to_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = world(tmp_path, monkeypatch)
    assert expire(found.site, NOW, found.doors).plan.steps == ()
    initial.open_store(found.site, NOW)
    assert expire(found.site, NOW, found.doors).plan.steps == ()


def test_expiry_waits_for_no_sync(here: World) -> None:
    with alone(here.site.state, "sync"), pytest.raises(InfrastructureError):
        expire(here.site, LATER, here.doors)
    assert set(states(here).values()) == {"public"}


def placed(
    here: World, build: Build, names: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> Sequence[placing.PutAt]:
    """What comes of a build at these targets."""

    def opened(name: str, site: Site) -> Target:
        return here.doors.target(name, site.facility.targets[name], site)

    monkeypatch.setattr(placing, "open_target", opened)
    return placing.put_all(here.site, names, NAME, build, NoProgress())


def test_a_build_is_brought_to_targets_one_failure_apart(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.targets = {"pool": FakeTarget(), "bad": FakeTarget(broken=True)}
    targets = {**here.site.facility.targets, "bad": here.site.facility.targets["pool"]}
    here.site = type(here.site)(
        here.site.facility.model_copy(update={"targets": targets}), here.site.folder
    )
    entry = here.site.store.entry(NAME)
    assert entry is not None
    made = placed(here, entry.builds[-1], ["bad", "pool"], monkeypatch)
    assert [each.answer for each in made] == ["failed", "placed"]
    assert "the pool is not there" in made[0].error
    (item,) = here.targets["pool"].put_items
    assert (item.name, item.serial, item.format, item.channel) == (
        NAME,
        SERIALS[2],
        "qcow2",
        CUSTOM,
    )
    assert item.path.read_bytes() == SERIALS[2].encode()


def test_a_target_that_takes_other_formats_says_so(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.targets["pool"].formats = ("raw", "vmdk")
    entry = here.site.store.entry(NAME)
    assert entry is not None
    (made,) = placed(here, entry.builds[-1], ["pool"], monkeypatch)
    assert "raw or vmdk is wanted" in made.error
