# SPDX-License-Identifier: GPL-2.0-or-later
"""A nightly's images, each on its own way: published, failed, gone on with, left alone."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.manifest import document
from builder.nightly import exits
from builder.nightly.folder import DOCUMENT, RunFolder, load, locked, of_day
from builder.nightly.night import commands, plan
from builder.planning.record import Record
from builder.store.folder import FolderPlace
from tests.unit import stores
from tests.unit.nightlyworld import (
    ONE,
    TWO,
    NightlyWorld,
    Script,
    of,
    outcomes,
    steps,
)

CHAIN = ["build", "boot", "publish"]
TENDING = [("store", "promote"), ("store", "expire"), ("store", "site")]
SERIAL = "20261121"


@pytest.fixture
def world(tmp_path: Path) -> NightlyWorld:
    return NightlyWorld(tmp_path)


def test_the_first_publishes_and_the_second_leaves_all_alone(world: NightlyWorld) -> None:
    first = world.call()
    assert world.ran == [
        *((ONE, step) for step in CHAIN),
        *((TWO, step) for step in CHAIN),
        *TENDING,
    ]
    assert (first.exit_code, first.run, first.complete) == (0, "2026-11-21", True)
    assert outcomes(first) == {ONE: "published", TWO: "published"}
    one = of(first, ONE)
    assert (one.serial, one.why) == (SERIAL, "nothing is published yet")
    assert one.checks is not None
    assert (one.checks.passed, one.checks.failed) == (1, ())
    assert [each.name for each in one.boots] == ["bios", "uefi", "secureboot"]

    second = world.call()
    assert world.ran == TENDING
    assert (second.exit_code, second.run) == (0, "2026-11-21.1")
    assert outcomes(second) == {ONE: "skipped", TWO: "skipped"}
    assert {image.why for image in second.images} == {"nothing changed"}
    kept = [each.answer for each in Record(world.out / "decisions").of(ONE)]
    assert kept == ["publish", "skip"]


OK = "published"


@pytest.mark.parametrize(
    ("script", "one", "code"),
    [
        ({(ONE, "build"): [1]}, "failed", 1),
        ({(ONE, "build"): [3]}, "failed", 3),
        ({(ONE, "boot"): [3]}, "failed", 3),
        ({(ONE, "publish"): [2]}, "failed", 2),
        ({(ONE, "publish"): [4, 4]}, "failed", 4),
        ({(ONE, "publish"): [4]}, OK, 0),
        ({(ONE, "build"): [4, 1]}, "failed", 1),
        ({(ONE, "boot"): [-9]}, "failed", 1),
        ({(ONE, "boot"): [130]}, "interrupted", 130),
        ({("store", "promote"): [2]}, OK, 2),
        ({("store", "promote"): [4, 4], ("store", "expire"): [4]}, OK, 4),
        ({(ONE, "boot"): [3], ("store", "site"): [4, 4]}, "failed", 3),
    ],
)
def test_one_that_fails_stops_no_other(
    world: NightlyWorld, script: Script, one: str, code: int
) -> None:
    failing = next(iter(script))
    tries = 2 if script[failing][0] == exits.INFRASTRUCTURE else 1
    world.script = {key: list(codes) for key, codes in script.items()}
    run = world.call()
    assert outcomes(run) == {ONE: one, TWO: OK}
    assert run.exit_code == code
    # All about the store is done, whatever failed.
    assert [what for what in dict.fromkeys(world.ran) if what in TENDING] == TENDING
    # Only infrastructure is tried again.
    assert world.ran.count(failing) == tries
    if one == "failed":
        image = of(run, ONE)
        assert image.steps[-1].name == failing[1]
        assert image.reason.startswith(f"{failing[1]}: it ended with ")
        assert image.steps[-1].end[-1].startswith("it ended with")


def test_what_nobody_knows_is_loud(world: NightlyWorld) -> None:
    world.unknown = {ONE}
    run = world.call()
    assert outcomes(run) == {ONE: "unknown", TWO: OK}
    assert (run.exit_code, of(run, ONE).why) == (6, "the archive cannot be reached")
    # Something worse comes first.
    world.changed = {TWO}
    world.script = {(TWO, "boot"): [3]}
    assert world.call().exit_code == 3


def test_the_mirror_is_down(world: NightlyWorld) -> None:
    world.unknown = {ONE, TWO}
    run = world.call()
    assert (run.exit_code, world.ran) == (6, [])
    # In a store that nobody ever published to, there is nothing to do, and that is said.
    assert {(each.outcome, each.reason) for each in run.store_steps} == {
        ("left-out", "nothing was ever published")
    }


def test_the_store_is_down(world: NightlyWorld) -> None:
    """It was seen, and is gone: an unmounted disk is no empty store."""
    world.call(ONE)
    shutil.move(world.root / "store", world.root / "elsewhere")
    with pytest.raises(InfrastructureError, match="no folder"):
        stores.publisher(world.root).current()
    assert plan(world.order(ONE)).decisions[0].answer == "unknown"


def test_what_is_done_is_not_done_again(world: NightlyWorld) -> None:
    world.script = {(ONE, "boot"): [3], (TWO, "publish"): [4, 4]}
    first = world.call()
    assert outcomes(first) == {ONE: "failed", TWO: "failed"}
    second = world.call()
    assert [each for each in world.ran if each not in TENDING] == [
        (ONE, "boot"),
        (ONE, "publish"),
        (TWO, "publish"),
    ]
    assert (second.run, second.calls, second.exit_code) == (first.run, 2, 0)
    assert second.began == first.began
    assert outcomes(second) == {ONE: OK, TWO: OK}
    assert steps(of(second, ONE)) == [("build", "kept"), ("boot", "done"), ("publish", "done")]
    assert of(second, TWO).steps[0].seconds == of(first, TWO).steps[0].seconds
    assert of(second, ONE).serial == of(first, ONE).serial == SERIAL


def test_facts_count_and_not_notes(world: NightlyWorld) -> None:
    """Without any notes, on another day: the build waits to be booted and published."""
    world.script = {(ONE, "boot"): [3]}
    world.call(ONE)
    shutil.rmtree(world.out / "nightly")
    world.now += timedelta(days=1)
    run = world.call(ONE)
    assert world.ran == [(ONE, "boot"), (ONE, "publish"), *TENDING]
    assert (run.run, run.calls, of(run, ONE).serial) == ("2026-11-22", 1, SERIAL)


def test_a_boot_with_one_firmware_missing_is_done_again(world: NightlyWorld) -> None:
    world.script = {(ONE, "publish"): [2]}
    world.call(ONE)
    built = world.built(ONE, SERIAL)
    manifest = document.load(built.manifest)
    some = manifest.model_copy(update={"boots": manifest.boots[:2]})
    built.manifest.write_text(document.dump(some))
    world.call(ONE)
    assert world.ran[:2] == [(ONE, "boot"), (ONE, "publish")]


def test_a_build_that_is_out_of_date_is_made_anew(world: NightlyWorld) -> None:
    """Somebody mended the class after the boot had failed."""
    world.script = {(ONE, "boot"): [3]}
    world.call(ONE)
    world.outdated = {ONE}
    run = world.call(ONE)
    assert (of(run, ONE).serial, of(run, ONE).outcome) == (f"{SERIAL}.1", OK)
    assert world.ran[:3] == [(ONE, step) for step in CHAIN]


def test_a_build_that_is_older_than_what_is_published_is_made_anew(world: NightlyWorld) -> None:
    """Another machine published meanwhile."""
    world.script = {(ONE, "boot"): [3]}
    world.call(ONE)
    newer = stores.build(world.root / "elsewhere", "20261122")
    stores.put(stores.publisher(world.root), newer)
    world.changed = {ONE}
    world.now += timedelta(days=2)
    assert of(world.call(ONE), ONE).serial == "20261123"


def test_a_persons_own_build_is_not_published(world: NightlyWorld) -> None:
    stores.build(world.out, SERIAL)
    run = world.call(ONE)
    assert of(run, ONE).serial == f"{SERIAL}.1"
    assert world.built(ONE, SERIAL).folder.exists()


def test_a_build_that_is_damaged_is_made_anew(world: NightlyWorld) -> None:
    world.script = {(ONE, "boot"): [3]}
    world.call(ONE)
    built = world.built(ONE, SERIAL)
    built.manifest.write_text(built.manifest.read_text()[:100])
    assert of(world.call(ONE), ONE).serial == f"{SERIAL}.1"


@pytest.mark.parametrize("indexed", [True, False])
def test_no_serial_of_the_store_is_used_again(world: NightlyWorld, *, indexed: bool) -> None:
    """The folder of builds was emptied; in the store is a build, or a killed publisher's half."""
    world.call(TWO)
    if indexed:
        world.call(ONE)
        world.changed = {ONE}
    else:
        FolderPlace(world.root / "store").write(f"{ONE}/{SERIAL}/stray", b"half")
    shutil.rmtree(world.out)
    run = world.call(ONE)
    assert of(run, ONE).serial == f"{SERIAL}.1"
    assert outcomes(run) == {ONE: OK}


def test_an_index_that_expired_is_ours_all_the_same(world: NightlyWorld) -> None:
    world.call(ONE)
    world.now += timedelta(days=100)
    assert outcomes(world.call(ONE)) == {ONE: "skipped"}


def test_an_interrupt_is_told_and_gone_on_from(world: NightlyWorld) -> None:
    def interrupt(name: str, step: str) -> None:
        if (name, step) == (ONE, "boot"):
            raise KeyboardInterrupt

    world.before = interrupt
    first = world.call()
    assert (first.exit_code, first.complete) == (exits.INTERRUPTED, False)
    assert of(first, ONE).outcome == "interrupted"
    assert steps(of(first, ONE)) == [("build", "done"), ("boot", "interrupted")]
    assert ("store", "site") not in world.ran

    world.before = lambda _name, _step: None
    second = world.call()
    assert (second.exit_code, second.calls) == (0, 2)
    assert world.ran[:2] == [(ONE, "boot"), (ONE, "publish")]


def test_one_that_was_killed_is_gone_on_with(world: NightlyWorld) -> None:
    """SIGKILL: the document is as it was in that moment, and says so."""
    seen: list[bytes] = []

    def look(name: str, step: str) -> None:
        if (name, step) == (TWO, "boot"):
            seen.append((world.out / "nightly/2026-11-21" / DOCUMENT).read_bytes())

    world.before = look
    world.call()
    (world.out / "nightly/2026-11-21" / DOCUMENT).write_bytes(seen[0])
    left = load(world.out / "nightly/2026-11-21" / DOCUMENT)
    assert left is not None
    assert outcomes(left) == {ONE: OK, TWO: "running"}
    assert (left.exit_code, left.ended) == (None, None)

    run = world.call()
    assert (run.calls, run.exit_code, world.ran) == (2, 0, TENDING)
    # What the first call published is not called skipped by the second.
    assert outcomes(run) == {ONE: OK, TWO: "skipped"}
    assert {outcome for _, outcome in steps(of(run, ONE))} == {"kept"}


def test_images_side_by_side_publish_one_after_the_other(world: NightlyWorld) -> None:
    wanted = [ONE, TWO, "debian-13-cloud", "debian-13-nocloud", "debian-12"]
    run = world.call(*wanted, jobs=5)
    assert outcomes(run) == dict.fromkeys(wanted, OK)
    assert {step.tries for step in run.steps} == {1}


def test_two_at_once(world: NightlyWorld) -> None:
    with locked(world.out), pytest.raises(InfrastructureError, match=r"another .* process \d+"):
        world.call()
    assert world.call().exit_code == 0


def test_notes_that_cannot_be_read_begin_a_new_nightly(world: NightlyWorld) -> None:
    world.call()
    (world.out / "nightly/2026-11-21" / DOCUMENT).write_text("{")
    assert of_day(world.out, world.now.date()) == RunFolder(world.out / "nightly/2026-11-21.1")


def test_a_plan_writes_nothing(world: NightlyWorld) -> None:
    world.script = {(ONE, "boot"): [3]}
    world.call(ONE)
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}
    order = world.order()
    found = commands(order, plan(order))
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before
    assert [(name, step.name, done) for name, step, done in found] == [
        (ONE, "build", True),
        (ONE, "boot", False),
        (ONE, "publish", False),
        *((TWO, step, False) for step in CHAIN),
        *((*step, False) for step in TENDING),
    ]
    assert found[2][1].words[1] == f"{ONE}-{SERIAL}"
