# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a boot has come: lines that the pytest of a guest writes, and that we read as they come.

They are part of its log, where they say when what happened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["stage", "test", "kept"]

# The stages of a start, in order; the tests come after them.
STAGES: Final = ("machine", "kernel", "host keys", "SSH", "settled")
LINE: Final = re.compile(
    r"fai-forge: +(?P<seconds>\d+\.\d) s  (?P<kind>stage|test|kept) (?P<rest>.*)"
)
TEST: Final = re.compile(r"(?P<number>\d+)/(?P<total>\d+) (?P<outcome>\w+) (?P<name>.*)")


@dataclass(frozen=True)
class Event:
    """Something that happened `seconds` after the session began.

    `text` is the stage, the test's name, or the folder that was kept; of tests, `number` of `total`
    are done, and `passed` tells of this one.
    """

    kind: Kind
    seconds: float
    text: str
    number: int = 0
    total: int = 0
    passed: bool = True


def line(event: Event) -> str:
    """The line of an event."""
    rest = event.text
    if event.kind == "test":
        outcome = "passed" if event.passed else "failed"
        rest = f"{event.number}/{event.total} {outcome} {event.text}"
    return f"fai-forge: {event.seconds:7.1f} s  {event.kind} {rest}"


def read(text: str) -> Event | None:
    """The event that a line tells of; None for all other lines."""
    found = LINE.fullmatch(text.rstrip())
    if found is None:
        return None
    kind, seconds, rest = found["kind"], float(found["seconds"]), found["rest"]
    if kind == "test":
        test = TEST.fullmatch(rest)
        if test is None:
            return None
        return Event(
            "test",
            seconds,
            test["name"],
            int(test["number"]),
            int(test["total"]),
            test["outcome"] == "passed",
        )
    return Event("stage" if kind == "stage" else "kept", seconds, rest)
