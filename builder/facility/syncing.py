# SPDX-License-Identifier: GPL-2.0-or-later
"""Sync: the site's own store and its targets become what `facility.yaml` wants, series by series.

What fails ends its own series only, and nothing of that series is removed. Whoever is killed leaves
what is whole under its name, and the rest aside; the next sync goes on from there.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Final

from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility import asking, locks, placing, pulling, removing, syncnotes, syncplan
from builder.facility.asking import Answer, Source
from builder.facility.pulling import Pulled
from builder.facility.site import Site
from builder.facility.synced import Done, Synced
from builder.facility.syncplan import Step, TargetState
from builder.facility.targets.target import Target
from builder.imports.offers import Remote
from builder.progress import Progress
from builder.store import writing
from builder.store.index import Build

log = logging.getLogger(__name__)

WHAT: Final = "sync"
# How many older images stay at a target whose kind does not say it.
KEPT: Final = 2


def sync(
    site: Site,
    sources: Sequence[Source],
    patterns: Sequence[str],
    now: datetime,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> Synced:
    """Plan, and do it unless it is a dry run; `patterns` are of the series to look at, or none.

    Raises InfrastructureError where another sync is at work here, or the own store cannot be read.
    """
    if dry_run:
        planned = _planned(site, sources, patterns, progress)
        steps = tuple(Done(step, "planned") for step in planned.steps)
        return Synced(planned.answers, steps, planned.unmatched)
    with locks.alone(site.state, WHAT):
        try:
            planned = _planned(site, sources, patterns, progress)
            doing = _Doing(site, planned, now, progress)
            done = [
                each
                for _, steps in groupby(planned.steps, key=lambda step: step.series)
                for each in doing.series(list(steps))
            ]
        except ForgeError as error:
            syncnotes.end(site, error)
            raise
        synced = Synced(planned.answers, tuple(done), planned.unmatched)
        syncnotes.outcome(site, synced, now)
        try:
            _clean(site, done, now)
        except InfrastructureError as error:
            # Such as somebody who takes an image in just now, which is a while.
            log.warning("tidying is left to the next sync: %s", error.message)
        return synced


def _clean(site: Site, done: Sequence[Done], now: datetime) -> None:
    """Take away what earlier syncs left that were killed; what failed can be gone on with."""
    failed = {each.step.series for each in done if each.outcome == "failed"}
    for name in {each.step.series for each in done} - failed:
        # Who pulls just now looks after that.
        with contextlib.suppress(InfrastructureError), pulling.alone(site, name):
            pulling.tidy(site, name)
    removing.complete(site.store, now)
    index = site.store.index()
    # Others may read it: half of its time is over.
    if index is not None and index.valid_until - now < site.facility.store.valid / 2:
        writing.refresh(site.store.publisher, now)


@dataclass(frozen=True)
class _Planned:
    answers: tuple[Answer, ...]
    remotes: dict[str, Remote]
    targets: dict[str, Target]
    steps: tuple[Step, ...]
    unmatched: tuple[str, ...]


def _planned(
    site: Site, sources: Sequence[Source], patterns: Sequence[str], progress: Progress
) -> _Planned:
    _check(site, patterns)
    index = site.store.index()
    asked = []
    for source in asking.needed(site.facility, sources):
        progress.stage(f"Asking {source.name}")
        asked.append(asking.ask(source))
    answers = tuple(answer for answer, _ in asked)
    remotes = {answer.name: remote for answer, remote in asked if remote is not None}

    def wants(name: str) -> bool:
        return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)

    targets: dict[str, Target] = {}
    states = [_state(site, name, targets) for name in _targets(site)]
    steps = syncplan.plan(site.facility, answers, index, states, wants)
    complete = not any(answer.error for answer in answers)
    if complete and patterns and not steps:
        raise UsageError(
            f"no series that is kept here is called {' or '.join(patterns)}",
            hint="fai-forge sync --dry-run shows them; quote patterns: 'debian-13*'",
        )
    unmatched = _unmatched(site, answers) if complete and not patterns else ()
    return _Planned(answers, remotes, targets, steps, unmatched)


def _unmatched(site: Site, answers: Sequence[Answer]) -> tuple[str, ...]:
    """The rows that no series falls under, as one that is misspelled."""
    known = {offer.name for answer in answers for offer in answer.offers}
    return tuple(
        row.match
        for row in site.facility.series
        if not any(fnmatchcase(name, row.match) for name in known)
    )


def _check(site: Site, patterns: Sequence[str]) -> None:
    if not site.facility.series:
        raise UsageError(
            "facility.yaml wants no series", hint="add rows such as: series: [{match: debian-13*}]"
        )
    wrong = [each for each in patterns if not set(each) <= set(ALLOWED)]
    if wrong:
        raise UsageError(
            f"{wrong[0]!r} is no pattern of names", hint="such as 'debian-13*'; quote it"
        )


ALLOWED = "abcdefghijklmnopqrstuvwxyz0123456789*?[].!-"


def _targets(site: Site) -> list[str]:
    """The targets that rows name, each once."""
    return list(dict.fromkeys(name for row in site.facility.series for name in row.to))


def _state(site: Site, name: str, opened: dict[str, Target]) -> TargetState:
    try:
        target = placing.open_target(name, site)
        held = target.held()
    except ForgeError as error:
        return TargetState(name, error=error.message)
    opened[name] = target
    return TargetState(name, held, older=getattr(site.facility.targets[name], "keep", KEPT))


@dataclass
class _Doing:
    """The steps of one sync while they are done."""

    site: Site
    planned: _Planned
    now: datetime
    progress: Progress
    _pulled: dict[tuple[str, str], Build] = field(default_factory=dict)

    def series(self, steps: Sequence[Step]) -> Iterator[Done]:
        """Do the steps of one series in their order, until one fails."""
        failed = False
        removals = [step for step in steps if step.action == "remove"]
        for step in steps:
            if step.action in ("keep", "skip"):
                yield Done(step, "left", step.reason)
            elif step.action == "remove":
                if failed:
                    yield Done(step, "left", "something failed: nothing is removed")
            elif failed and step.action == "withdraw":
                yield Done(step, "left", "something failed: nothing is removed")
            elif step.build is None and step.action == "place" and self._missing(step):
                yield Done(step, "left", "the build is not here")
            else:
                done = self._tried(step)
                failed |= done.outcome == "failed"
                yield done
        if removals and not failed:
            yield from self._removed(removals)

    def _missing(self, step: Step) -> bool:
        return (step.series, step.serial) not in self._pulled

    def _tried(self, step: Step) -> Done:
        try:
            return {"pull": self._pull, "place": self._place, "withdraw": self._withdraw}[
                step.action
            ](step)
        except ForgeError as error:
            return Done(step, "failed", error.message)

    def _pull(self, step: Step) -> Done:
        row = self.site.facility.wanted(step.series)
        assert row is not None
        sources = [(self.planned.remotes[each.remote], each) for each in step.offers]
        pulled = pulling.first(self.site, sources, row.formats, self.now, self.progress)
        self._pulled[(step.series, step.serial)] = pulled.build
        return Done(step, "done", in_words(pulled), pulled.transferred)

    def _place(self, step: Step) -> Done:
        build = step.build or self._pulled[(step.series, step.serial)]
        target = self.planned.targets[step.where]
        put = placing.put(self.site, target, step.series, build, self.progress)
        return Done(step, "done", f"{put.answer}: {put.reference}")

    def _withdraw(self, step: Step) -> Done:
        target, wanted = self.planned.targets[step.where], step.held
        assert wanted is not None
        # Asked again: what was current is not any more, and somebody may use it by now.
        held = next((each for each in target.held() if each.reference == wanted.reference), None)
        if held is None:
            return Done(step, "left", "it is gone already")
        if held.current or held.in_use:
            return Done(step, "left", "it is in use")
        target.remove(held)
        return Done(step, "done", step.reason)

    def _removed(self, steps: Sequence[Step]) -> Iterator[Done]:
        builds = [(step.series, step.build) for step in steps if step.build is not None]
        try:
            removing.remove(self.site.store, builds, self.now)
        except ForgeError as error:
            yield from (Done(step, "failed", error.message) for step in steps)
        else:
            yield from (Done(step, "done", step.reason) for step in steps)


def in_words(pulled: Pulled) -> str:
    """How a build came, such as "whole, 242 MB transferred"."""
    if pulled.answer == "unchanged":
        return "it is here already"
    return f"{pulled.how}, {pulled.transferred / 10**6:.1f} MB transferred"
