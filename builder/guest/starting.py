# SPDX-License-Identifier: GPL-2.0-or-later
"""Which units took longest in a start, told by the journal.

`systemd-analyze blame` says the same, but asks systemd about every unit one by one, which takes
a third as long as the start itself in an emulated guest.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

# systemd's messages of a unit that is being started, and of one that was (systemd/sd-messages.h).
STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
STARTED = "39f53479d3a045ac8e11786248231fbf"
COMMAND = (
    "journalctl --boot --no-pager --output=json --output-fields=MESSAGE_ID,UNIT _PID=1 "
    f"MESSAGE_ID={STARTING} MESSAGE_ID={STARTED}"
)


class Entry(BaseModel):
    """What we need of an entry; `time` is in microseconds since the kernel started."""

    message: str = Field(alias="MESSAGE_ID")
    unit: str = Field("", alias="UNIT")
    time: int = Field(alias="__MONOTONIC_TIMESTAMP")


@dataclass(frozen=True)
class Started:
    """A unit, and how many seconds it took to start."""

    unit: str
    seconds: float


def slowest(output: str) -> list[Started]:
    """The units that `COMMAND` tells of, the slowest first; each by its first start."""
    began: dict[str, int] = {}
    found: dict[str, Started] = {}
    for line in output.splitlines():
        entry = Entry.model_validate_json(line)
        if entry.message == STARTING:
            began.setdefault(entry.unit, entry.time)
        elif entry.unit in began:
            taken = (entry.time - began[entry.unit]) / 1e6
            found.setdefault(entry.unit, Started(entry.unit, taken))
    return sorted(found.values(), key=lambda each: -each.seconds)
