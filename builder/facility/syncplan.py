# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sync would do, and why: nothing here asks a remote or changes a store.

Of each series that the site wants, the newest build of each channel comes here. Above what a row
says stand rules that no row changes: the newest build of a channel stays, so does one with a tag or
in use somewhere, and while a remote of a series is down nothing of that series is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from builder import names
from builder.facility import refs
from builder.facility.asking import Answer, allowed
from builder.facility.config import CUSTOM, Facility, Wanted
from builder.facility.targets.target import Held
from builder.imports.offers import Offer
from builder.store import reading
from builder.store.index import Build, SeriesEntry, StoreIndex

# What comes here, stays and is removed; what a target gets, and what leaves it; and what the site
# wants and cannot have.
Action = Literal["pull", "keep", "remove", "place", "withdraw", "skip"]


@dataclass(frozen=True)
class TargetState:
    """What one target has of us; where `error` says why it could not be asked, nobody knows.

    `older` is how many builds of each series it keeps beside the current one.
    """

    name: str
    held: tuple[Held, ...] = ()
    error: str = ""
    older: int = 0


@dataclass(frozen=True)
class Step:
    """One thing that a sync does, or leaves, and why.

    `where` is a remote or a target; empty for the own store. `offers` are the same build at several
    remotes, the first choice first. `size` is in bytes, as far as it is known.
    """

    action: Action
    series: str
    serial: str
    channel: str
    reason: str
    where: str = ""
    size: int = 0
    offers: tuple[Offer, ...] = ()
    build: Build | None = None
    held: Held | None = None

    def __str__(self) -> str:
        return f"{self.series}-{self.serial}" if self.serial else self.series


def plan(
    facility: Facility,
    answers: Sequence[Answer],
    index: StoreIndex | None,
    targets: Iterable[TargetState] = (),
    wants: Callable[[str], bool] = lambda _: True,
) -> tuple[Step, ...]:
    """The steps by series; of each one first what comes, then the targets, then what goes.

    `wants` says which series to look at, by name; those without a row are never touched.
    """
    offered = {offer.name for answer in answers for offer in answer.offers}
    here = {entry.name for entry in index.series} if index else set()
    states = {target.name: target for target in targets}
    return tuple(
        step
        for name in sorted(offered | here)
        if wants(name) and (row := facility.wanted(name)) is not None
        for step in _Series.of(name, row, answers, index, states).steps()
    )


@dataclass(frozen=True)
class _Series:
    """One series, as its remotes, the own store and the targets have it."""

    name: str
    row: Wanted
    offers: tuple[Offer, ...]
    down: tuple[str, ...]
    builds: tuple[Build, ...]
    targets: tuple[TargetState, ...]

    @classmethod
    def of(
        cls,
        name: str,
        row: Wanted,
        answers: Sequence[Answer],
        index: StoreIndex | None,
        states: Mapping[str, TargetState],
    ) -> _Series:
        asked = allowed(row, answers)
        offers = (offer for answer in asked for offer in answer.offers)
        entry: SeriesEntry | None = reading.series(index, name) if index else None
        return cls(
            name,
            row,
            # A site's custom images are nobody else's, whatever a row says.
            tuple(each for each in offers if each.name == name and each.channel != CUSTOM),
            tuple(answer.name for answer in asked if answer.error),
            tuple(each for each in (entry.builds if entry else ()) if each.channel != CUSTOM),
            tuple(states.get(to, TargetState(to)) for to in row.to),
        )

    def steps(self) -> Iterator[Step]:
        """Everything that is done, or left, of this series."""
        coming = [each for channel in self.row.channels for each in self._coming(channel)]
        yield from coming
        pulls = [step for step in coming if step.action == "pull"]
        newest = self._for_targets(pulls)
        placed: set[str] = set()
        if newest is not None:
            for target in self.targets:
                for step in self._at(target, newest):
                    placed |= {target.name} if step.action == "place" else set()
                    yield step
        yield from self._going(pulls, placed)

    def _step(self, action: Action, serial: str, channel: str, reason: str) -> Step:
        return Step(action, self.name, serial, channel, reason)

    def _coming(self, channel: str) -> Iterator[Step]:
        """What comes of a channel: its newest build, unless that or a newer one is here."""
        listed = [each for each in self.offers if each.channel == channel and refs.listed(each)]
        fit = [each for each in listed if each.of(self.row.formats)]
        if not fit:
            if listed:
                best = refs.newest(listed)
                yield self._step(
                    "skip",
                    best.serial,
                    channel,
                    f"{best.remote} does not have it as {' or '.join(self.row.formats)}",
                )
            return
        best = refs.newest(fit)
        same = tuple(each for each in fit if each.serial == best.serial)
        known = next((each for each in self.builds if each.serial == best.serial), None)
        here = _newest([each for each in self.builds if each.channel == channel])
        if known is not None and known.state == "removed":
            yield self._step(
                "skip", best.serial, channel, "it was removed here; pull takes it back"
            )
        elif known is None and (here is None or _key(here.serial) < _key(best.serial)):
            reason = f"newer than {here.serial}" if here else "not here yet"
            size = sum(image.size or 0 for image in best.of(self.row.formats))
            step = self._step("pull", best.serial, channel, reason)
            yield replace(step, where=best.remote, size=size, offers=same)

    def _for_targets(self, pulls: Sequence[Step]) -> Step | None:
        """The build that targets get: the newest of the first channel that has one, as a step."""
        for channel in self.row.channels:
            found = [step for step in pulls if step.channel == channel]
            if found:
                return found[0]
            here = _newest([each for each in self.builds if each.channel == channel])
            if here is not None:
                return replace(self._step("keep", here.serial, channel, ""), build=here)
        return None

    def _at(self, target: TargetState, newest: Step) -> Iterator[Step]:
        """What a target gets, and what leaves it then."""
        step = replace(newest, where=target.name, size=0, held=None)
        if target.error:
            yield replace(step, action="skip", reason=f"cannot be asked: {target.error}")
            return
        ours = [held for held in target.held if held.name == self.name]
        current = next((held for held in ours if held.current), None)
        if current is None or current.serial != newest.serial:
            reason = f"{current.serial} is there" if current else "nothing is there yet"
            yield replace(step, action="place", reason=reason)
        older = sorted(
            (held for held in ours if held.serial != newest.serial),
            key=lambda held: _key(held.serial),
            reverse=True,
        )
        for held in older[target.older :]:
            if not held.in_use:
                leaving = self._step(
                    "withdraw", held.serial, "", f"{newest.serial} is in its place"
                )
                yield replace(leaving, where=target.name, held=held)

    def _going(self, pulls: Sequence[Step], placed: set[str]) -> Iterator[Step]:
        """What becomes of each build that is here."""
        for channel in dict.fromkeys(build.channel for build in self.builds):
            builds = [
                each for each in self.builds if each.channel == channel and each.state != "removed"
            ]
            coming = sum(step.channel == channel for step in pulls)
            builds.sort(key=lambda each: _key(each.serial), reverse=True)
            for number, build in enumerate(builds):
                reason = ""
                # What comes counts; nothing goes before it is here.
                if number + coming < self.row.keep:
                    newest = number + coming == 0
                    reason = "the newest" if newest else f"one of the newest {self.row.keep}"
                elif not coming and build == _newest(builds):
                    reason = "the newest that can be found"
                elif self.down:
                    reason = f"{', '.join(self.down)} cannot be asked"
                reason = reason or self._used(build, placed)
                words = reason or f"older than the newest {self.row.keep}"
                step = self._step("keep" if reason else "remove", build.serial, channel, words)
                size = sum(each.size for each in (*build.images, *build.deltas))
                yield replace(step, build=build, size=size)

    def _used(self, build: Build, placed: set[str]) -> str:
        """Why a build stays that is not among the newest; empty where nothing needs it."""
        if build.tags:
            return f"tagged {', '.join(entry.tag for entry in build.tags)}"
        for target in self.targets:
            if target.error:
                return f"{target.name} cannot be asked whether it is in use"
            for held in target.held:
                if (held.name, held.serial) != (self.name, build.serial):
                    continue
                if held.in_use or (held.current and target.name not in placed):
                    return f"in use at {target.name}"
        return ""


def _newest(builds: Iterable[Build]) -> Build | None:
    """The newest build that can be found."""
    public = (build for build in builds if build.state == "public")
    return max(public, key=lambda build: _key(build.serial), default=None)


def _key(serial: str) -> tuple[int, int]:
    return names.serial_key(serial)
