# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans of syncs: a table of what is offered and what is here, and what would be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from builder.facility.asking import Answer
from builder.facility.config import Facility
from builder.facility.syncplan import Step, TargetState, plan
from builder.facility.targets.target import Held
from builder.imports.offers import Offer, OfferedFile
from tests.unit.indexes import build, one

NAME = "debian-13"
KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
NEW, MID, OLD = "20261121", "20261114", "20261107"


def facility(row: str = "", targets: tuple[str, ...] = ()) -> Facility:
    """A site with one row, `WORD=VALUE...`, and the remotes portal and mirror."""
    said = dict(word.split("=") for word in row.split())
    wanted: dict[str, object] = {"match": said.pop("match", "debian-13*"), "to": targets}
    wanted |= {
        key: value.split(",") if key != "keep" else int(value) for key, value in said.items()
    }
    return Facility.model_validate(
        {
            "name": "north",
            "store": {"path": "images", "key": KEY},
            "remotes": {
                name: {"kind": "store", "url": name, "keyring": "k"}
                for name in ("portal", "mirror")
            },
            "series": [wanted],
            "targets": {name: {"kind": "libvirt"} for name in targets},
        }
    )


def offer(remote: str, text: str, name: str = NAME) -> Offer:
    """As `tests.unit.indexes.build` reads it."""
    made = build(name, text)
    return Offer(
        remote,
        name,
        made.serial,
        made.channel,
        tuple(OfferedFile(each.name, each.format, "", each.size) for each in made.images),
        "a test",
        tags=tuple(entry.tag for entry in made.tags),
        build=made,
    )


def asked(said: Sequence[str]) -> tuple[Answer, ...]:
    """`REMOTE: BUILD`, or `REMOTE: down`, each as often as is wanted."""
    found: dict[str, Answer] = {}
    for line in said:
        remote, text = line.split(": ")
        known = found.get(remote, Answer(remote))
        if text == "down":
            found[remote] = Answer(remote, error="cannot be reached")
        else:
            found[remote] = Answer(remote, offers=(*known.offers, offer(remote, text)))
    return tuple(found.values())


def words(steps: Sequence[Step]) -> list[str]:
    """ACTION SERIAL [WHERE], without what just stays."""
    return [
        " ".join(filter(None, (step.action, step.serial, step.where)))
        for step in steps
        if step.action != "keep"
    ]


@dataclass(frozen=True)
class Case:
    """What is offered and here, with a row, and the steps that are not `keep`."""

    offered: tuple[str, ...]
    here: tuple[str, ...]
    steps: list[str]
    row: str = ""


UP = f"portal: release {NEW}"
CASES = {
    "nothing is here": Case((UP,), (), [f"pull {NEW} portal"]),
    "the newest is here": Case((UP,), (f"release {NEW}",), []),
    "a newer one is here": Case((f"portal: release {OLD}",), (f"release {NEW}",), []),
    "the next one": Case((UP,), (f"release {MID}",), [f"pull {NEW} portal"]),
    "two stay": Case(
        (UP,), (f"release {OLD}", f"release {MID}"), [f"pull {NEW} portal", f"remove {OLD}"]
    ),
    "one stays": Case(
        (UP,), (f"release {MID}",), [f"pull {NEW} portal", f"remove {MID}"], "keep=1"
    ),
    "one stays that is here": Case(
        (UP,), (f"release {MID}", f"release {NEW}"), [f"remove {MID}"], "keep=1"
    ),
    "only the newest comes, whatever stays": Case(
        (f"portal: release {OLD}", f"portal: release {MID}", UP),
        (),
        [f"pull {NEW} portal"],
        "keep=3",
    ),
    "a tag pins": Case((UP,), (f"release {OLD} tag=13.4", f"release {NEW}"), [], "keep=1"),
    "the newest stays without any offer": Case((), (f"release {OLD}",), [], "keep=1"),
    "the newest that can be found stays": Case(
        (),
        (f"release {OLD}", f"release {MID}", f"release {NEW} hidden"),
        [f"remove {OLD}"],
        "keep=1",
    ),
    "each channel keeps its own": Case(
        (UP, f"portal: daily {NEW}.1"),
        (f"daily {OLD}", f"release {MID}"),
        [f"pull {NEW} portal", f"pull {NEW}.1 portal", f"remove {OLD}", f"remove {MID}"],
        "keep=1 channels=release,daily",
    ),
    "another channel is not taken": Case((f"portal: daily {NEW}",), (), []),
    "a custom image is not taken": Case((f"portal: custom {NEW}",), (), [], "channels=custom"),
    "a custom image is left alone": Case(
        (UP,), (f"custom {OLD}", f"custom {MID}", f"release {NEW}"), [], "keep=1"
    ),
    "a hidden one is not taken": Case((f"portal: release {NEW} hidden",), (), []),
    "what was removed here does not come back": Case(
        (UP,), (f"release {NEW} removed",), [f"skip {NEW}"]
    ),
    "a remote is down: nothing is removed": Case(
        (UP, "mirror: down"), (f"release {OLD}", f"release {MID}"), [f"pull {NEW} portal"], "keep=1"
    ),
    "a remote is down that is not asked for it": Case(
        (UP, "mirror: down"),
        (f"release {OLD}", f"release {NEW}"),
        [f"remove {OLD}"],
        "keep=1 from=portal",
    ),
    "the first remote that has the newest": Case(
        (f"mirror: release {MID}", UP), (), [f"pull {NEW} portal"]
    ),
    "the row's order of two that have it": Case(
        (UP, f"mirror: release {NEW}"), (), [f"pull {NEW} mirror"], "from=mirror,portal"
    ),
    "a remote that the row does not name": Case((f"mirror: release {NEW}",), (), [], "from=portal"),
    "no wanted format": Case((UP,), (), [f"skip {NEW}"], "formats=raw"),
    "no row": Case((UP,), (f"release {OLD}", f"release {MID}"), [], "match=debian-12* keep=1"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_sync_does(case: Case) -> None:
    index = one(NAME, case.here) if case.here else None
    assert words(plan(facility(case.row), asked(case.offered), index)) == case.steps


def test_two_remotes_of_one_build_are_both_tried() -> None:
    answers = asked((UP, f"mirror: release {NEW}", f"mirror: release {MID}"))
    (step,) = plan(facility(), answers, None)
    assert [each.remote for each in step.offers] == ["portal", "mirror"]


def test_other_series_are_not_looked_at() -> None:
    answers = asked((UP,))
    assert plan(facility(), answers, None, wants=lambda name: name == "debian-13-slim") == ()


def at(*held: str, error: str = "", older: int = 0) -> TargetState:
    """A pool with `SERIAL [current] [used]` in it."""
    found = []
    for text in held:
        serial, *more = text.split()
        found.append(Held(NAME, serial, f"vol-{serial}", "current" in more, "used" in more))
    return TargetState("pool", tuple(found), error, older)


@pytest.mark.parametrize(
    ("target", "here", "steps"),
    [
        (at(), (f"release {NEW}",), [f"place {NEW} pool"]),
        (at(f"{NEW} current"), (f"release {NEW}",), []),
        (at(NEW), (f"release {NEW}",), [f"place {NEW} pool"]),
        (
            at(f"{MID} current"),
            (f"release {MID}", f"release {NEW}"),
            [f"place {NEW} pool", f"withdraw {MID} pool", f"remove {MID}"],
        ),
        (
            at(f"{MID} current", older=1),
            (f"release {MID}", f"release {NEW}"),
            [f"place {NEW} pool", f"remove {MID}"],
        ),
        # A machine was made from it: it stays there, and here.
        (
            at(f"{MID} used", f"{NEW} current"),
            (f"release {MID}", f"release {NEW}"),
            [],
        ),
        (
            at(error="no connection"),
            (f"release {MID}", f"release {NEW}"),
            [f"skip {NEW} pool"],
        ),
        (at(), (f"release {MID}",), [f"pull {NEW} portal", f"place {NEW} pool", f"remove {MID}"]),
    ],
)
def test_what_targets_get(target: TargetState, here: tuple[str, ...], steps: list[str]) -> None:
    found = plan(facility("keep=1", ("pool",)), asked((UP,)), one(NAME, here), [target])
    assert words(found) == steps


def test_targets_get_the_first_channel_that_has_a_build() -> None:
    row = facility("channels=release,daily", ("pool",))
    here = one(NAME, (f"release {OLD}", f"daily {NEW}"))
    assert words(plan(row, (), here, [at()])) == [f"place {OLD} pool"]


@pytest.mark.parametrize(
    ("case", "serial", "reason"),
    [
        ("nothing is here", NEW, "not here yet"),
        ("the next one", NEW, f"newer than {MID}"),
        ("a tag pins", OLD, "tagged 13.4"),
        ("one stays that is here", NEW, "the newest"),
        ("two stay", OLD, "older than the newest 2"),
        ("a remote is down: nothing is removed", OLD, "mirror cannot be asked"),
        ("no wanted format", NEW, "portal does not have it as raw"),
    ],
)
def test_why(case: str, serial: str, reason: str) -> None:
    found = CASES[case]
    index = one(NAME, found.here) if found.here else None
    steps = plan(facility(found.row), asked(found.offered), index)
    assert reason in [step.reason for step in steps if step.serial == serial]
