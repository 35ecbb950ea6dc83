# SPDX-License-Identifier: GPL-2.0-or-later
"""A facility on this machine: its configuration, its own store, and where it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder import paths
from builder.builds import Builds
from builder.facility import config
from builder.facility.config import Facility
from builder.progress import Progress
from builder.store import fetching, gathering, reading
from builder.store.derived import Derived
from builder.store.folder import FolderPlace
from builder.store.index import Build, Delta, Image, SeriesEntry, StoreIndex, folder
from builder.store.keys import Signer
from builder.store.memory import Memory
from builder.store.publishing import Published, publish
from builder.store.selection import select
from builder.store.writing import Publisher


@dataclass(frozen=True)
class Site:
    """A facility, and the folder of its file: relative paths in it are relative to that."""

    facility: Facility
    folder: Path

    @classmethod
    def read(cls, given: Path | None) -> Site:
        """The facility of `--facility`, $FAI_FORGE_FACILITY, or the file here."""
        path = config.find(given)
        return cls(config.read(path), path.absolute().parent)

    def path(self, text: str) -> Path:
        """A path of the file, absolute; ~ is the user's own folder."""
        return self.folder / Path(text).expanduser()

    @property
    def incoming(self) -> Path:
        """Where what is brought here lies until it is in the store; it may be removed any time."""
        return paths.cache().incoming / self.facility.name

    @property
    def state(self) -> Path:
        """Where status, log and lock of this facility are."""
        return paths.state() / "facilities" / self.facility.name

    @property
    def store(self) -> LocalStore:
        """The site's own store."""
        return LocalStore(self)


@dataclass(frozen=True)
class LocalStore:
    """A site's own store: all that is taken in goes through `admit`, and is signed anew."""

    site: Site

    @property
    def place(self) -> FolderPlace:
        """Its folder."""
        return FolderPlace(self.site.path(self.site.facility.store.path))

    @property
    def publisher(self) -> Publisher:
        """Who changes it: the site's own key."""
        signer, place = Signer(self.site.facility.store.key), self.place
        cache = paths.cache()
        return Publisher(
            place,
            signer,
            signer.keyring(),
            Memory(cache.stores),
            self.site.facility.store.valid,
            Derived(place, signer, cache.documents).write,
        )

    def index(self) -> StoreIndex | None:
        """What is in it; None where nothing ever was."""
        if not self.place.root.is_dir():
            return None
        return self.publisher.current()

    def entry(self, name: str) -> SeriesEntry | None:
        """A series of it; None where it has none of that name."""
        index = self.index()
        return reading.series(index, name) if index else None

    def serials(self, name: str) -> tuple[str, ...]:
        """All serials of a series that were ever used here."""
        entry = self.entry(name)
        return tuple(build.serial for build in entry.builds) if entry else ()

    def file(self, name: str, build: Build, image: Image) -> Path:
        """Where an image of it lies."""
        return self.place.root / folder(name, build) / image.name

    def missing(self, name: str, build: Build) -> tuple[Image, ...]:
        """The images of a build whose files are not there, or have another size."""
        return tuple(
            image
            for image in build.images
            if self.place.size(f"{folder(name, build)}/{image.name}") != image.size
        )

    def mend(self, name: str, build: Build, brought: Path) -> None:
        """Put the missing images of a build back, out of a folder where they are as published."""
        with self.publisher.place.lock():
            for image in self.missing(name, build):
                if fetching.is_file(brought / image.name, image):
                    path = f"{folder(name, build)}/{image.name}"
                    self.place.upload(brought / image.name, path, lambda _: None)

    def admit(
        self,
        built: Path,
        channel: str,
        now: datetime,
        progress: Progress,
        *,
        origin: str = "",
        deltas: tuple[Delta, ...] = (),
        title: str = "",
        more: Sequence[Path] = (),
    ) -> Published:
        """Take a build's folder in; nothing is visible before all of it is there.

        Not all formats of its manifest need to be there. A build that was removed here comes back,
        if it is the very same. What failed or was never tried of it is in the index. `more` are
        files beside it that were made for this store. Raises as `builder.store.publishing.publish`
        does.
        """
        parcel = gathering.gather(select([str(built)], Builds(built.parent))[0], more, some=True)
        return publish(
            self.publisher,
            parcel,
            channel,
            now,
            progress,
            title=title,
            unverified=True,
            deltas=deltas,
            origin=origin,
            restore=True,
        )
