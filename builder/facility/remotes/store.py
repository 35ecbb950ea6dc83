# SPDX-License-Identifier: GPL-2.0-or-later
"""A store of fai-forge as a remote: its signed index says what it offers, and vouches for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from builder import paths
from builder.downloads.partial import path_of
from builder.errors import InfrastructureError
from builder.facility import deltas, locks
from builder.facility.deltas import Bases
from builder.facility.kinds import StoreRemote
from builder.facility.remotes.line import Line
from builder.facility.site import LocalStore, Site
from builder.imports.offers import Brought, Offer, OfferedFile
from builder.store import fetching, keys, open, reading
from builder.store.index import Build, Delta, Digest, Image, SeriesEntry, StoreIndex, folder
from builder.store.keys import Verifies
from builder.store.memory import Memory
from builder.store.place import OnBytes, Readable

# Bytes of a file beside an image. The index tells no size of it, so a server could tell any.
LARGEST: Final = 1 << 30
# Files beside images at a time: they are small, and wait for the network.
PARALLEL: Final = 4

# Makes an image by building it again, from the manifest; the bytes that were fetched, or None.
Rebuild: TypeAlias = Callable[[Path, Image, Path], int | None]


def _nothing(_serial: str, _form: str) -> Path | None:
    return None


@dataclass
class PublishedStore:
    """A store as a remote.

    `local` gives the images of a series that are here, by its name: what deltas start from.
    `hands_on` says of a series' delta whether to keep it for others; by default those whose base is
    here. With `rebuild`, images are built again rather than fetched, where that works.
    """

    name: str
    place: Readable
    trusted: Verifies
    memory: Memory
    local: Callable[[str], Bases] = lambda _: _nothing
    hands_on: Callable[[str, Delta], bool] | None = None
    rebuild: Rebuild | None = None
    _index: StoreIndex | None = field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        """Where it is, without secrets."""
        return self.place.url

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        """All builds that have images, also hidden ones, the oldest first."""
        index = self._index = reading.read(
            self.place, self.trusted, self.memory, datetime.now(UTC).replace(microsecond=0)
        )
        return tuple(
            self._offer(entry, build)
            for entry in index.series
            if name in (None, entry.name)
            for build in entry.builds
            if build.state != "removed" and build.images
        )

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring an offer into a folder; see `builder.imports.offers.Remote`."""
        assert offer.build is not None, "an offer of another remote"
        line = Line(self.place)
        with _told(folder), locks.alone(folder.parent, folder.name):
            folder.mkdir(exist_ok=True)
            bringing = _Bringing(self, line, self._entry(offer.name), offer.build, folder)
            wanted = {image.name for image in offer.of(formats)}
            how = bringing.all(wanted, on_bytes)
        return Brought(folder, line.transferred, how)

    def _entry(self, name: str) -> SeriesEntry:
        if self._index is None:
            self.offers(name)
        entry = reading.series(self._index, name) if self._index else None
        if entry is None:
            raise InfrastructureError(
                f"{self.url} has no {name} any more", hint="call it again: its index has changed"
            )
        return entry

    def _offer(self, entry: SeriesEntry, build: Build) -> Offer:
        where = f"{self.url}/{folder(entry.name, build)}"
        return Offer(
            remote=self.name,
            name=entry.name,
            serial=build.serial,
            channel=build.channel,
            images=tuple(
                OfferedFile(
                    image.name,
                    image.format,
                    f"{where}/{image.name}",
                    image.size,
                    "sha256",
                    image.sha256,
                )
                for image in build.images
            ),
            vouched="the signed index of the store",
            date=build.published,
            tags=tuple(entry.tag for entry in build.tags),
            build=build,
        )


@dataclass(frozen=True)
class _Bringing:
    """One build of a store on its way into a folder."""

    store: PublishedStore
    line: Line
    entry: SeriesEntry
    build: Build
    folder: Path

    def all(self, wanted: set[str], on_bytes: OnBytes) -> str:
        """Bring everything but other images; in a word or two, how the images came."""
        # First what says what the rest is.
        self._fetch(self.build.manifest)
        text = (self.folder / self.build.manifest.name).read_text(encoding="utf-8")
        reading.parse_described(text, self.entry.name, self.build, f"the manifest of {self._stem}")
        sums = reading.sums(self.line, self.entry.name, self.build)
        bases = self.store.local(self.entry.name)
        images = [image for image in self.build.images if image.name in wanted]
        kept = self._deltas(images, bases, sums)
        hows = [self._image(image, bases, on_bytes) for image in images]
        others = {each.name for each in (*self.build.images, *self.build.deltas)}
        beside = [name for name in sums if name not in others]
        self._beside(beside, sums)
        self._only({self.build.manifest.name, *wanted, *kept, *beside})
        return ", ".join(sorted(set(hows))) or "nothing"

    @property
    def _stem(self) -> str:
        return f"{self.entry.name}-{self.build.serial} of {self.store.url}"

    def _path(self, name: str) -> str:
        return f"{folder(self.entry.name, self.build)}/{name}"

    def _deltas(
        self, images: Sequence[Image], bases: Bases, sums: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Bring the deltas that others can use, who have the same bases; their names.

        They come before the images, which are made of them where that is cheaper: no delta comes
        over the line twice.
        """
        formats = {image.format for image in images}
        wanted = [
            delta
            for delta in self.build.deltas
            if sums.get(delta.name) == delta.sha256 and self._hands_on(delta, bases, formats)
        ]
        for delta in wanted:
            self._fetch(delta)
            self.line.keep(self._path(delta.name), self.folder / delta.name)
        return tuple(delta.name for delta in wanted)

    def _hands_on(self, delta: Delta, bases: Bases, formats: set[str]) -> bool:
        if self.store.hands_on is not None:
            return self.store.hands_on(self.entry.name, delta)
        # A delta starts from the disk, whatever it is packed as here.
        return any(bases(delta.base, form) is not None for form in {delta.format, *formats})

    def _image(self, image: Image, bases: Bases, on_bytes: OnBytes) -> str:
        target = self.folder / image.name
        if not fetching.is_file(target, image):
            if self.store.rebuild is not None:
                fetched = self.store.rebuild(self.folder / self.build.manifest.name, image, target)
                if fetched is not None:
                    self.line.transferred += fetched
                    on_bytes(image.size)
                    return "rebuilt"
            made = deltas.update(self.line, self.entry, self.build, image, bases, target, on_bytes)
            if made is not None and fetching.is_file(target, image):
                return f"{made.steps} delta{'s' if made.steps > 1 else ''}"
        self._fetch(image, on_bytes)
        return "whole"

    def _beside(self, names: Sequence[str], sums: Mapping[str, str]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda name: self._fetch_beside(name, sums[name]), names))

    def _fetch_beside(self, name: str, sha256: str) -> None:
        target = self.folder / name
        known = {each.name: each for each in (self.build.manifest, self.build.metadata) if each}
        wanted = known.get(name)
        if wanted is None:
            if target.exists():
                size: int | None = target.stat().st_size
            else:
                size = self.line.size(self._path(name))
            if size is None or size > LARGEST:
                words = "is not there" if size is None else f"has {size} bytes"
                raise InfrastructureError(
                    f"{self._path(name)} of {self.store.url} {words}",
                    hint="a mirror may be behind; call it again later",
                )
            wanted = Digest(name=name, size=size, sha256=sha256)
        self._fetch(wanted)

    def _fetch(self, wanted: Digest, on_bytes: OnBytes = lambda _: None) -> None:
        """Fetch a file, unless it is there; what is there under its name and is another goes."""
        target = self.folder / wanted.name
        if fetching.is_file(target, wanted):
            on_bytes(wanted.size)
            return
        target.unlink(missing_ok=True)
        begun = path_of(target).exists()
        try:
            fetching.fetch(self.line, self._path(wanted.name), wanted, target, on_bytes)
        except fetching.WrongContent:
            # What an earlier try left may have been a login page, and the rest be right.
            if not begun:
                raise
            fetching.fetch(self.line, self._path(wanted.name), wanted, target, on_bytes)

    def _only(self, names: set[str]) -> None:
        """Remove what an earlier try left that is not of this build as it is wanted now."""
        for path in self.folder.iterdir():
            if path.name in names:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def open_remote(name: str, entry: StoreRemote, site: Site) -> PublishedStore:
    """The store of an entry of `facility.yaml`."""
    url = entry.url if open.scheme(entry.url) else str(site.path(entry.url))
    return at(name, url, site.path(entry.keyring), lambda series: bases(site.store, series))


def at(
    name: str, url: str, keyring: Path, local: Callable[[str], Bases] = lambda _: _nothing
) -> PublishedStore:
    """The store at a folder or URL, whose index is signed by a key of the ring."""
    place = open.open_readable(url)
    memory = Memory(paths.cache().stores)
    return PublishedStore(name, place, keys.read_keyring(keyring), memory, local)


def bases(store: LocalStore, name: str) -> Bases:
    """The images of a series that a site has in its own store."""
    entry = store.entry(name)
    files = {
        (build.serial, image.format): store.file(name, build, image)
        for build in (entry.builds if entry else ())
        for image in build.images
        if build.state != "removed"
    }

    def find(serial: str, form: str) -> Path | None:
        path = files.get((serial, form))
        return path if path is not None and path.is_file() else None

    return find


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Errors of this machine's disk in words."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="is there room, and is it yours?",
        ) from error
