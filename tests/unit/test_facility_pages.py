# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/sync.md shows what is printed, and the verbs' tables say what went wrong."""

from __future__ import annotations

from builder.cli import sync
from builder.facility.asking import Answer
from builder.facility.synced import Done, Synced
from builder.facility.syncplan import Step, plan
from tests.unit.indexes import index, series
from tests.unit.test_cli_stores import block
from tests.unit.test_facility_syncplan import facility, offer


def test_the_page_shows_what_is_printed() -> None:
    store = index(
        series(
            "debian-13",
            "release 20261016 tag=202610",
            "release 20261107",
            "release 20261114",
        ),
        series("debian-13-slim", "release 20261121"),
    )
    offers = (
        offer("portal", "release 20261121"),
        offer("portal", "release 20261121", "debian-13-slim"),
    )
    answers = (Answer("portal", offers=offers),)
    steps = plan(facility(), answers, store)
    synced = Synced(answers, tuple(Done(step, "planned") for step in steps))
    printed = "\n".join(sync.lines(synced, done=False))
    assert printed == block("sync.md", "$ fai-forge sync --dry-run")


def test_what_went_wrong_is_printed() -> None:
    def done(action: str, outcome: str, words: str) -> Done:
        step = Step(action, "debian-13", "20261121", "release", "new", "portal")  # type: ignore[arg-type]
        return Done(step, outcome, words, 5_000_000)  # type: ignore[arg-type]

    steps = (
        done("pull", "done", "whole"),
        done("place", "failed", "the pool is full"),
        done("remove", "left", "something failed: nothing is removed"),
    )
    synced = Synced((Answer("portal"), Answer("mirror", error="cannot be reached")), steps)
    lines = sync.lines(synced, done=True)
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "debian-13-20261121 pulled portal whole",
        "debian-13-20261121 FAILED portal the pool is full",
        "debian-13-20261121 left portal something failed: nothing is removed",
        "mirror: cannot be reached",
        "pulled: 1, removed: 0, placed: 0, withdrawn: 0, failed: 2; 15.0 MB transferred",
    ]
    assert synced.failed
