# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done already, by what is on the disk and in the store and not by what was noted.

So a nightly that was killed at any point is gone on with, whatever its notes say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Protocol

from builder import names
from builder.builds import Builds
from builder.errors import ForgeError
from builder.guest.machines import promised
from builder.manifest import document
from builder.manifest.decision import Decision, ReasonKind
from builder.manifest.model import Manifest
from builder.store import reading
from builder.store.folder import FolderPlace
from builder.store.index import SeriesEntry, StoreIndex
from builder.store.writing import Publisher

# What is no difference between a build and what a build would get now.
NO_DIFFERENCE: frozenset[ReasonKind] = frozenset({"forced", "age", "month", "interval"})


class Published(Protocol):
    """What a plan asks of a store."""

    def newest(self, series: str) -> Manifest | None:
        """The newest published manifest; None where there is none, ForgeError if unknown."""


# Decides about images, by what is published of them.
Decides = Callable[[Sequence[names.Name], Published], list[Decision]]


@dataclass(frozen=True)
class OurStore:
    """The store as its publisher sees it: new and empty, or expired, it is still ours.

    It is read once, when it is first asked for.
    """

    publisher: Publisher

    def newest(self, series: str) -> Manifest | None:
        """The manifest of the newest public build; ForgeError where that cannot be known."""
        entry = self._entry(series)
        return reading.newest_built(self.publisher.place, entry) if entry else None

    def serials(self, series: str, channel: str) -> frozenset[str]:
        """All serials of a series that were ever published, and of uploads that nobody finished."""
        if self._is_new:
            return frozenset()
        entry = self._entry(series)
        found = {build.serial for build in entry.builds} if entry else set[str]()
        folder = series if channel == "release" else f"{series}/{channel}"
        return frozenset((*found, *self.publisher.place.names(folder)))

    def holds(self, series: str, serial: str) -> bool:
        """Whether the index names a build."""
        entry = self._entry(series)
        return entry is not None and any(build.serial == serial for build in entry.builds)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever published; one that cannot be read is not empty."""
        try:
            return self._is_new or not reading.is_store(self.publisher.place)
        except ForgeError:
            return False

    def _entry(self, series: str) -> SeriesEntry | None:
        index = self._index
        if isinstance(index, ForgeError):
            raise index
        return reading.series(index, series) if index else None

    @cached_property
    def _index(self) -> StoreIndex | ForgeError | None:
        try:
            return None if self._is_new else self.publisher.current()
        except ForgeError as error:
            return error

    @property
    def _is_new(self) -> bool:
        """Whether the first publication will make the folder; never if a store was seen there."""
        place = self.publisher.place
        there = not isinstance(place, FolderPlace) or place.root.exists()
        return not there and not self.publisher.memory.seen(place.url)


@dataclass(frozen=True)
class Finished:
    """Builds that a plan asked for and that were not published, by series."""

    builds: Mapping[str, Manifest]

    @classmethod
    def of(cls, wanted: Collection[str], builds: Builds, store: OurStore) -> Finished:
        """The newest build of each wanted series, if it waits to be published."""
        found = {name: _waiting(name, builds, store) for name in wanted}
        return cls({name: manifest for name, manifest in found.items() if manifest})

    def newest(self, series: str) -> Manifest | None:
        """As if it were published, for a plan that says what differs from a build made now."""
        return self.builds.get(series)

    def still_wanted(self, decide: Decides) -> dict[str, Manifest]:
        """Those that are what a build made now would be; the others are out of date."""
        if not self.builds:
            return {}
        decisions = decide([names.parse(name) for name in self.builds], self)
        return {each.name: self.builds[each.name] for each in decisions if _same(each)}


def booted(manifest: Manifest, kinds: Sequence[str]) -> bool:
    """Whether a build was booted with these firmware kinds (all that it promises, if none is
    named) and works.
    """
    if not kinds:
        kinds = promised(manifest.arch, {each.name for each in manifest.packages})
    passed = {each.name for each in manifest.boots if each.verdict == "passed"}
    return bool(passed) and passed.issuperset(kinds) and len(passed) == len(manifest.boots)


def serial(name: str, channel: str, day: date, builds: Builds, store: OurStore) -> str:
    """The day's next serial that neither the folder of builds nor the store has."""
    here = {built.serial for built in builds.of(name)}
    return names.next_serial(day, here | store.serials(name, channel))


def _waiting(name: str, builds: Builds, store: OurStore) -> Manifest | None:
    """The manifest of a series' newest build, unless it is published or a person's own."""
    made = builds.of(name)
    if not made or store.holds(name, made[-1].serial):
        return None
    try:
        manifest = document.load(made[-1].manifest)
    except ForgeError:
        # Somebody wrote to it; it is built anew.
        return None
    published = store.newest(name)
    older = published and names.serial_key(manifest.serial) < names.serial_key(published.serial)
    return None if older or manifest.decision is None else manifest


def _same(decision: Decision) -> bool:
    kinds = {reason.kind for reason in decision.reasons}
    return decision.answer != "unknown" and kinds <= NO_DIFFERENCE
