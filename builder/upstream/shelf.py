# SPDX-License-Identifier: GPL-2.0-or-later
"""What a store has of upstreams: the builds of their channel, and what their manifests say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder import names
from builder.errors import UsageError
from builder.imports.offers import Offer
from builder.manifest.imported import Imported, Origin
from builder.manifest.model import File
from builder.store import reading
from builder.store.index import Build, SeriesEntry, StoreIndex
from builder.store.place import Readable
from builder.upstream.finding import CHANNEL


@dataclass(frozen=True)
class Had:
    """A build of a series that came from its upstream, and what its manifest says of that."""

    build: Build
    origin: Origin
    files: tuple[File, ...]

    @property
    def upstream_day(self) -> str:
        """The day on which its makers made it, as serials have days."""
        return f"{self.origin.date:%Y%m%d}" if self.origin.date else self.build.serial[:8]

    def is_of(self, offer: Offer) -> bool:
        """Whether it has the content that is offered, by whichever digest that is told."""
        ours = {"sha256": {each.sha256 for each in self.files}}
        ours["sha512"] = {each.sha512 for each in self.files}
        return all(each.digest in ours[each.algorithm] for each in offer.images)


@dataclass(frozen=True)
class Shelf:
    """A store that is looked into: its index as it was read, and where its manifests are."""

    place: Readable
    index: StoreIndex | None

    def entry(self, name: str) -> SeriesEntry | None:
        """A series; None where the store has none of it.

        UsageError for one that others publish into: `latest` would jump between both.
        """
        found = reading.series(self.index, name) if self.index else None
        other = [each for each in found.builds if each.channel != CHANNEL] if found else []
        if other:
            raise UsageError(
                f"{name} is in {self.place.url} in the channel {other[-1].channel}, too",
                hint="images of upstreams have names of their own: say roles: in the YAML file",
            )
        return found

    def serials(self, name: str) -> tuple[str, ...]:
        """All serials of a series that were ever used."""
        entry = self.entry(name)
        return tuple(each.serial for each in entry.builds) if entry else ()

    def had(self, name: str) -> Had | None:
        """The newest build of a series; None where there never was one.

        Of removed builds the manifest stays, so they count where nothing else is left.
        """
        builds = list(self._builds(name))
        left = [each for each in builds if each.state != "removed"] or builds
        return self._had(name, left[-1]) if left else None

    def holds(self, name: str, offer: Offer) -> Build | None:
        """The build that is just what is offered; None where it is not there."""
        for build in reversed(tuple(self._builds(name))):
            if build.state != "removed" and self._had(name, build).is_of(offer):
                return build
        return None

    def _builds(self, name: str) -> Iterator[Build]:
        """The builds of a series, the oldest first."""
        entry = self.entry(name)
        yield from sorted(
            entry.builds if entry else (), key=lambda build: names.serial_key(build.serial)
        )

    def _had(self, name: str, build: Build) -> Had:
        found = reading.described(self.place, name, build)
        if not isinstance(found, Imported):
            raise UsageError(
                f"{name}-{build.serial} of {self.place.url} was built, and did not come from"
                " others",
                hint="images of upstreams have names of their own: say roles: in the YAML file",
            )
        return Had(build, found.origin, found.files)
