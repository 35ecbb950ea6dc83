# SPDX-License-Identifier: GPL-2.0-or-later
"""What is scheduled for a facility: units of the user and of the system, and cron's lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from builder.facility.schedule import crontab, outcomes, units
from builder.facility.schedule.outcomes import Outcome
from builder.facility.schedule.units import Call, Place
from builder.facility.site import Site
from builder.run import Tool

CRON = "cron"


@dataclass(frozen=True)
class Row:
    """One job that is scheduled; `next` is None where nobody knows, `state` how it went."""

    job: str
    by: str
    when: str
    next: datetime | None
    last: Outcome | None
    state: str


def place(*, user: bool, system: bool) -> Place | None:
    """Where units go; None for cron's lines, where systemd does not run and nobody asked for it."""
    if user or system:
        return Place.of(user=user)
    return Place.of(user=os.geteuid() != 0) if units.is_running() else None


def rows(site: Site, call: Call) -> tuple[Row, ...]:
    """What is scheduled, by job."""
    found = [*_by_systemd(site, call), *_by_cron(site, call)]
    return tuple(sorted(found, key=lambda row: (row.job, row.by)))


def remove(call: Call, chosen: Sequence[str]) -> list[str]:
    """Take jobs out, wherever they are, or all of them; the names of those that were there."""
    gone = []
    for where in _places():
        for job in units.installed(call, where):
            if not chosen or job in chosen:
                units.remove(call, where, job)
                gone.append(job)
    for job, _ in _lines(call):
        if (not chosen or job in chosen) and crontab.remove(call, job):
            gone.append(job)
    return sorted(set(gone))


def _by_systemd(site: Site, call: Call) -> Iterator[Row]:
    for where in _places():
        there = units.installed(call, where)
        times = units.next_runs(where, [call.unit(job) for job in there])
        for job in there:
            at = times.get(call.unit(job))
            yield _row(
                site,
                job,
                "user" if where.user else "system",
                units.calendar_of(call, where, job),
                datetime.fromtimestamp(at / 1e6, UTC) if at else None,
            )


def _by_cron(site: Site, call: Call) -> Iterator[Row]:
    for job, when in _lines(call):
        yield _row(site, job, CRON, when, None)


def _row(site: Site, job: str, by: str, when: str, at: datetime | None) -> Row:
    last = outcomes.last(site, job)
    return Row(job, by, when, at, last, _state(site, last))


def _state(site: Site, last: Outcome | None) -> str:
    if last is None:
        return "-"
    if last.ended is None:
        return "running" if outcomes.is_running(site, last.job) else "killed"
    return f"exit code {last.exit_code}" if last.exit_code else "done"


def _places() -> tuple[Place, ...]:
    return tuple(Place.of(user=user) for user in (True, False))


def _lines(call: Call) -> Iterator[tuple[str, str]]:
    """What cron has of us; nothing where there is no cron."""
    if Tool("crontab", "cron", "").path() is not None:
        yield from tuple(crontab.blocks(crontab.read(), call))
