# SPDX-License-Identifier: GPL-2.0-or-later
"""Syncs that fail, that meet, and that are killed: no good image is lost, none is half there."""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.facility import locks, placing, record, removing, syncing
from builder.facility.asking import Source
from builder.facility.site import Site
from builder.facility.synced import Synced
from builder.facility.synced import did as in_words
from builder.facility.syncing import sync
from builder.progress import NoProgress
from builder.store.folder import FolderPlace
from tests.integration.test_store_killed import child
from tests.unit.facilities import NAME, Pool, index_of, look, now, portal, site, source

KILLS = 60
TIMES = 5
MEETINGS = 10
OLD, MID, NEW = "20261107", "20261114", "20261121"


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that the kernel has, so a busy disk need not hold tests up."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def remote(root: Path, of: Site, name: str = "portal") -> Source:
    return source(name, FolderPlace(root / "store"), of)


def synced(of: Site, *sources: Source, patterns: tuple[str, ...] = (), dry: bool = False) -> Synced:
    return sync(of, sources, patterns, now(), NoProgress(), dry_run=dry)


def did(result: Synced) -> list[str]:
    return [in_words(each.step) for each in result.steps if each.outcome == "done"]


def failures(result: Synced) -> list[str]:
    return [f"{each.step}: {each.words}" for each in result.steps if each.outcome == "failed"]


def test_builds_come_and_go(tmp_path: Path) -> None:
    north = site(tmp_path / "north")
    for serial, pulled, removed in ((OLD, OLD, []), (MID, MID, []), (NEW, NEW, [f"remove {OLD}"])):
        portal(tmp_path, serial, serial.encode())
        before = look(north)
        planned = synced(north, remote(tmp_path, north), dry=True)
        assert [each.outcome for each in planned.steps].count("planned") == len(planned.steps)
        assert look(north) == before
        result = synced(north, remote(tmp_path, north))
        assert did(result) == [f"pull {pulled} (portal)", *removed]
        assert not result.failed
        assert result.changes
    assert look(north) == {OLD: "removed", MID: "public", NEW: "public"}
    again = synced(north, remote(tmp_path, north))
    assert not again.changes
    assert not again.failed


def test_a_second_site_syncs_from_the_first(tmp_path: Path) -> None:
    north, south = site(tmp_path / "north"), site(tmp_path / "south", name="south")
    portal(tmp_path, NEW)
    synced(north, remote(tmp_path, north))
    first = source("north", FolderPlace(north.folder / "store"), south, b"site")
    synced(south, first)
    (mine,), (theirs,) = index_of(south).series[0].builds, index_of(north).series[0].builds
    assert mine.images == theirs.images
    assert mine.manifest == theirs.manifest
    assert mine.origin == str(north.folder / "store")


def test_one_image_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    north = site(tmp_path / "north", keep=1)
    for name in ("debian-12", "debian-13", "debian-14"):
        portal(tmp_path, OLD, b"old", name=name)
    synced(north, remote(tmp_path, north))
    for name in ("debian-12", "debian-13", "debian-14"):
        portal(tmp_path, NEW, b"new", name=name)
    (tmp_path / f"store/{NAME}/{NEW}/{NAME}-{NEW}.qcow2").write_bytes(b"bad")
    result = synced(north, remote(tmp_path, north))
    assert len(failures(result)) == 1
    assert failures(result)[0].startswith(f"{NAME}-{NEW}: ")
    assert result.failed
    left = [str(each.step) for each in result.steps if each.outcome == "left"]
    assert left == [f"{NAME}-{OLD}"]
    # What could not be replaced stays.
    assert look(north) == {OLD: "public"}
    for name in ("debian-12", "debian-14"):
        assert look(north, name) == {OLD: "removed", NEW: "public"}
    found = record.read(north)
    assert found is not None
    assert not found.ok
    errors = {each.name: bool(each.error) for each in found.series}
    assert errors == {"debian-12": False, "debian-13": True, "debian-14": False}
    assert {each.newest for each in found.series} == {NEW}
    assert {each.name: each.local for each in found.series}[NAME] == OLD


def test_a_remote_that_is_down_among_others(tmp_path: Path) -> None:
    """What the others have comes, and nothing is removed."""
    north = site(tmp_path / "north", keep=1)
    portal(tmp_path, OLD)
    synced(north, remote(tmp_path, north))
    portal(tmp_path, NEW)
    down = source("mirror", FolderPlace(tmp_path / "nowhere"), north)
    result = synced(north, down, remote(tmp_path, north))
    assert did(result) == [f"pull {NEW} (portal)"]
    assert result.failed
    assert look(north) == {OLD: "public", NEW: "public"}
    found = record.read(north)
    assert found is not None
    by_name = {each.name: each for each in found.remotes}
    assert (by_name["portal"].ok, by_name["mirror"].ok) == (True, False)
    assert "there is no folder" in by_name["mirror"].error
    assert by_name["mirror"].reached is None
    # It is up again, and has nothing.
    result = synced(north, remote(tmp_path, north))
    assert did(result) == [f"remove {OLD}"]


def test_a_remote_that_shows_an_old_state_counts_as_down(tmp_path: Path) -> None:
    north = site(tmp_path / "north", keep=1)
    portal(tmp_path, OLD)
    old = (tmp_path / "store/index.json.asc").read_bytes()
    portal(tmp_path, NEW)
    synced(north, remote(tmp_path, north))
    (tmp_path / "store/index.json.asc").write_bytes(old)
    result = synced(north, remote(tmp_path, north))
    assert "has the serial 1, and 2 was seen before" in result.answers[0].error
    assert look(north) == {NEW: "public"}


def test_patterns_leave_other_series_alone(tmp_path: Path) -> None:
    north = site(tmp_path / "north")
    for name in ("debian-12", "debian-13"):
        portal(tmp_path, NEW, name=name)
    synced(north, remote(tmp_path, north), patterns=("*-12",))
    assert [entry.name for entry in index_of(north).series] == ["debian-12"]
    synced(north, remote(tmp_path, north), patterns=("*-13",))
    found = record.read(north)
    assert found is not None
    assert [each.name for each in found.series] == ["debian-12", "debian-13"]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A target that sites with `to=("pool",)` have."""
    made = Pool()
    monkeypatch.setattr(placing, "open_target", lambda _name, _site: made)
    return made


def test_targets_get_the_newest(tmp_path: Path, pool: Pool) -> None:
    north = site(tmp_path / "north", keep=1, to=("pool",))
    portal(tmp_path, OLD, b"old")
    assert did(synced(north, remote(tmp_path, north))) == [
        f"pull {OLD} (portal)",
        f"place {OLD} (pool)",
    ]
    portal(tmp_path, NEW, b"new")
    pool.used.add(OLD)
    synced(north, remote(tmp_path, north))
    assert pool.there == {(NAME, OLD): b"old", (NAME, NEW): b"new"}
    # A machine there was made from it.
    assert look(north) == {OLD: "public", NEW: "public"}
    pool.used.clear()
    result = synced(north, remote(tmp_path, north))
    assert did(result) == [f"withdraw {OLD} (pool)", f"remove {OLD}"]
    assert pool.there == {(NAME, NEW): b"new"}
    assert look(north) == {OLD: "removed", NEW: "public"}


def test_a_target_that_fails_keeps_everything(tmp_path: Path, pool: Pool) -> None:
    north = site(tmp_path / "north", keep=1, to=("pool",))
    portal(tmp_path, OLD, b"old")
    synced(north, remote(tmp_path, north))
    portal(tmp_path, NEW, b"new")
    pool.error = InfrastructureError("the pool is full")
    result = synced(north, remote(tmp_path, north))
    assert failures(result) == [f"{NAME}-{NEW}: the pool is full"]
    assert pool.there == {(NAME, OLD): b"old"}
    assert look(north) == {OLD: "public", NEW: "public"}
    pool.error = None
    assert did(synced(north, remote(tmp_path, north))) == [
        f"place {NEW} (pool)",
        f"withdraw {OLD} (pool)",
        f"remove {OLD}",
    ]


def test_what_cannot_come_makes_nothing_leave(tmp_path: Path, pool: Pool) -> None:
    north = site(tmp_path / "north", to=("pool",))
    portal(tmp_path, MID, b"mid")
    synced(north, remote(tmp_path, north))
    pool.there[NAME, OLD] = b"old"
    portal(tmp_path, NEW, b"new")
    (tmp_path / f"store/{NAME}/{NEW}/{NAME}-{NEW}.qcow2").write_bytes(b"bad")
    result = synced(north, remote(tmp_path, north))
    assert len(failures(result)) == 1
    assert set(pool.there) == {(NAME, OLD), (NAME, MID)}
    assert pool.current == {NAME: MID}


def test_a_target_that_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    north = site(tmp_path / "north", keep=1, to=("pool",))
    portal(tmp_path, OLD)
    synced(north, remote(tmp_path, north))
    portal(tmp_path, NEW)

    def down() -> None:
        raise InfrastructureError("no connection")

    monkeypatch.setattr(pool, "held", down)
    result = synced(north, remote(tmp_path, north))
    assert result.failed
    assert look(north) == {OLD: "public", NEW: "public"}


def test_what_came_into_use_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    north = site(tmp_path / "north", to=("pool",))
    portal(tmp_path, OLD, b"old")
    synced(north, remote(tmp_path, north))
    portal(tmp_path, NEW, b"new")
    put = pool.put

    def putting(*arguments: object) -> object:
        pool.used.add(OLD)
        return put(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "put", putting)
    synced(north, remote(tmp_path, north))
    assert set(pool.there) == {(NAME, OLD), (NAME, NEW)}


def test_somebody_at_work_in_the_store_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    north = site(tmp_path / "north")
    portal(tmp_path, NEW)

    def busy(*_: object) -> None:
        raise InfrastructureError("another publisher is at work")

    monkeypatch.setattr(removing, "complete", busy)
    assert not synced(north, remote(tmp_path, north)).failed
    found = record.read(north)
    assert found is not None
    assert (found.ok, found.series[0].did) == (True, (f"pull {NEW} (portal)",))


def test_an_index_that_nobody_changes_stays_valid(tmp_path: Path) -> None:
    north = site(tmp_path / "north")
    portal(tmp_path, NEW)
    synced(north, remote(tmp_path, north))
    first = index_of(north)
    synced(north, remote(tmp_path, north))
    assert index_of(north) == first
    later = first.date + timedelta(days=20)
    sync(north, [remote(tmp_path, north)], (), later, NoProgress())
    assert index_of(north).date == later
    assert index_of(north).series == first.series


def test_the_second_of_two_syncs_is_refused(tmp_path: Path) -> None:
    north = site(tmp_path / "north")
    portal(tmp_path, NEW)
    with (
        locks.alone(north.state, syncing.WHAT),
        pytest.raises(InfrastructureError, match="another sync is at work"),
    ):
        synced(north, remote(tmp_path, north))
    assert look(north) == {}
    # To look is free.
    with locks.alone(north.state, syncing.WHAT):
        assert synced(north, remote(tmp_path, north), dry=True).changes


def test_syncs_that_meet(tmp_path: Path) -> None:
    north = site(tmp_path / "north")
    for number in range(MEETINGS):
        portal(tmp_path, f"{NEW}.{number + 1}", os.urandom(3000))
        call = partial(synced, north, remote(tmp_path, north))
        with child(call) as one, child(call) as two:
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (one, two)]
        assert sorted(codes) in ([0, 0], [0, 4])
        assert look(north)[f"{NEW}.{number + 1}"] == "public"


def prepared(root: Path) -> Site:
    """A site with an old build that goes when the new one has come."""
    root.mkdir()
    north = site(root / "north", keep=1)
    portal(root, OLD, os.urandom(200_000))
    synced(north, remote(root, north))
    portal(root, NEW, os.urandom(200_000))
    return north


def duration(root: Path) -> float:
    """Seconds that a sync takes here, in a process of its own."""
    north = prepared(root)
    start = time.monotonic()
    with child(partial(synced, north, remote(root, north))) as pid:
        assert os.waitpid(pid, 0)[1] == 0
    return time.monotonic() - start


def test_syncs_that_are_killed(tmp_path: Path) -> None:
    """At each moment there is a good image; the next sync goes on, and leaves nothing aside."""
    usual = min(duration(tmp_path / f"timing-{number}") for number in range(TIMES))
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    points = random.Random(seed)  # noqa: S311
    killed, states = 0, []
    for number in range(KILLS):
        root = tmp_path / str(number)
        north = prepared(root)
        with child(partial(synced, north, remote(root, north))) as pid:
            time.sleep(points.uniform(0, usual))
            os.kill(pid, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        found = look(north)
        states.append(tuple(sorted(found.values())))
        assert "public" in found.values()
        assert found.get(OLD) == "public" or found.get(NEW) == "public"
        assert not synced(north, remote(root, north)).failed
        assert look(north) == {OLD: "removed", NEW: "public"}
        assert not [path for path in north.incoming.rglob("*") if path.is_file()]
        images = [path.name for path in (north.folder / "store").rglob("*.qcow2")]
        assert images == [f"{NAME}-{NEW}.qcow2"]
    print(f"{killed} killed: { ({state: states.count(state) for state in set(states)}) }")
    assert killed > KILLS // 4
    # Before the new one was here, and after: else this would not have shown anything.
    assert ("public",) in states
    assert len(set(states)) > 1


def test_a_clock_that_goes_wrong_is_no_reason_to_lose_anything(tmp_path: Path) -> None:
    north = site(tmp_path / "north", keep=1)
    portal(tmp_path, NEW)
    synced(north, remote(tmp_path, north))
    early = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    sync(north, [remote(tmp_path, north)], (), early, NoProgress())
    assert look(north) == {NEW: "public"}
