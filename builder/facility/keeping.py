# SPDX-License-Identifier: GPL-2.0-or-later
"""Which builds of a site's store go: custom ones that are old, and the oldest if it is too full.

Nothing here changes a store. Above all rules stands what nothing may remove: a build with a tag,
since somebody may have pinned it; the newest of each series in each channel; what a target's name
points at, or machines there were made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from builder import names
from builder.facility import sizes
from builder.facility.amounts import in_words
from builder.facility.config import CUSTOM, UPSTREAM, Facility
from builder.spans import in_words as span_in_words
from builder.store.index import Build, SeriesEntry, StoreIndex

Key = tuple[str, str]


@dataclass(frozen=True)
class Uses:
    """What targets need: builds by series and serial, with the words that say who needs them.

    `silent` are targets that could not be asked: what may be in use there stays.
    """

    builds: Mapping[Key, str] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Step:
    """What happens to one build, and why; `size` is in bytes."""

    series: str
    build: Build
    action: Literal["keep", "remove"]
    reason: str

    @property
    def size(self) -> int:
        """What it takes on the disk."""
        return sizes.of(self.build)


@dataclass(frozen=True)
class Plan:
    """All steps, by series and the oldest first, and the bytes before and after them."""

    steps: tuple[Step, ...]
    quota: int | None = None

    @property
    def before(self) -> int:
        """What all builds take."""
        return sum(step.size for step in self.steps)

    @property
    def after(self) -> int:
        """What those take that stay."""
        return sum(step.size for step in self.steps if step.action == "keep")

    @property
    def over(self) -> int:
        """How much more than the quota still is there afterwards."""
        return max(0, self.after - self.quota) if self.quota is not None else 0

    @property
    def removed(self) -> tuple[tuple[str, Build], ...]:
        """The builds that go."""
        return tuple((step.series, step.build) for step in self.steps if step.action == "remove")


def plan(index: StoreIndex, facility: Facility, uses: Uses, now: datetime) -> Plan:
    """What happens to each build of a store that is not removed already."""
    steps = [step for entry in index.series for step in _by_rule(entry, facility, uses, now)]
    return Plan(tuple(_fitted(steps, facility, uses)), facility.store.quota)


def targets_of(facility: Facility, series: str) -> tuple[str, ...]:
    """The targets that a series may have been brought to."""
    row = facility.wanted(series)
    return tuple(dict.fromkeys((*(row.to if row else ()), *facility.custom.to)))


def _by_rule(entry: SeriesEntry, facility: Facility, uses: Uses, now: datetime) -> Iterable[Step]:
    """The steps of a series by the rules for custom images; the quota is not looked at yet."""
    builds = _sorted(each for each in entry.builds if each.state != "removed")
    custom = [each for each in builds if each.channel == CUSTOM]
    kept = {each.serial for each in custom[-facility.custom.keep :]}
    for build in builds:
        stays = _stays(entry.name, build, builds, facility, uses)
        if stays:
            yield Step(entry.name, build, "keep", stays)
        elif build.channel != CUSTOM:
            who = "upstream pull" if build.channel == UPSTREAM else "sync"
            yield Step(entry.name, build, "keep", f"{who} looks after it")
        elif build.serial in kept:
            yield Step(entry.name, build, "keep", f"one of the newest {facility.custom.keep}")
        else:
            yield _by_age(entry.name, build, facility, now)


def _by_age(series: str, build: Build, facility: Facility, now: datetime) -> Step:
    keep, limit = facility.custom.keep, facility.custom.expire_after
    if limit is None:
        return Step(series, build, "remove", f"there are {keep} newer ones")
    age = timedelta(days=(now - build.published).days)
    if now - build.published < limit:
        return Step(
            series, build, "keep", f"{span_in_words(age)} old; goes after {span_in_words(limit)}"
        )
    return Step(
        series, build, "remove", f"{span_in_words(age)} old, and there are {keep} newer ones"
    )


def _fitted(steps: Sequence[Step], facility: Facility, uses: Uses) -> list[Step]:
    """The steps, with as many removals more as the quota needs: the oldest builds of all."""
    quota = facility.store.quota
    result = list(steps)
    if quota is None:
        return result
    by_series: dict[str, list[Build]] = {}
    for step in steps:
        by_series.setdefault(step.series, []).append(step.build)
    total = sum(step.size for step in steps if step.action == "keep")
    oldest_first = sorted(
        range(len(steps)),
        key=lambda at: (names.serial_key(steps[at].build.serial), steps[at].series),
    )
    for at in oldest_first:
        step = steps[at]
        if total <= quota:
            break
        if step.action == "remove":
            continue
        if _stays(step.series, step.build, by_series[step.series], facility, uses):
            continue
        total -= step.size
        result[at] = Step(
            step.series,
            step.build,
            "remove",
            f"the store is larger than its quota of {in_words(quota)}",
        )
    return result


def _stays(
    series: str, build: Build, builds: Sequence[Build], facility: Facility, uses: Uses
) -> str:
    """Why nothing may remove a build; empty where something may."""
    if build.tags:
        return f"tagged {', '.join(each.tag for each in build.tags)}"
    # Of each channel: sync would bring it again.
    same = [each for each in builds if each.channel == build.channel]
    public = [each for each in same if each.state == "public"] or same
    if build.serial == _sorted(public)[-1].serial:
        return "the newest of its series"
    if used := uses.builds.get((series, build.serial)):
        return used
    silent = [each for each in targets_of(facility, series) if each in uses.silent]
    if silent:
        return f"it may be in use at {', '.join(silent)}, which gives no answer"
    return ""


def _sorted(builds: Iterable[Build]) -> list[Build]:
    return sorted(builds, key=lambda each: names.serial_key(each.serial))
