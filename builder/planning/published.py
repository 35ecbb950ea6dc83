# SPDX-License-Identifier: GPL-2.0-or-later
"""What is published of an image: the newest manifest in a store.

A store that cannot be read is an error, never a store in which nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from builder.builds import Builds
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.index import StoreIndex
from builder.store.keys import Verifies
from builder.store.memory import Memory
from builder.store.open import open_readable
from builder.store.place import Readable


@dataclass(frozen=True)
class FolderStore:
    """A store in a folder: SERIES/SERIAL/SERIES-SERIAL.manifest.json, as builds leave it."""

    root: Path

    def newest(self, series: str) -> Manifest | None:
        """The manifest of the newest build of a series; None where there is none.

        Raises InfrastructureError or UsageError where that cannot be known.
        """
        try:
            next((self.root / series).iterdir(), None)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InfrastructureError(
                f"the store cannot be read: {self.root / series}: {error.strerror}",
                hint="is it a folder, mounted, and yours to read?",
            ) from error
        builds = Builds(self.root).of(series)
        if not builds:
            return None
        manifest = document.load(builds[-1].manifest)
        if manifest.name != series:
            raise UsageError(
                f"{builds[-1].manifest} is the manifest of {manifest.name}",
                hint="somebody put it into the wrong folder",
            )
        return manifest

    def serials(self, series: str) -> tuple[str, ...]:
        """The serials that the series has used."""
        return tuple(built.serial for built in Builds(self.root).of(series))


@dataclass(frozen=True)
class IndexStore:
    """A store with a signed index, which is read once, when it is first asked for."""

    place: Readable
    trusted: Verifies
    memory: Memory
    now: datetime

    def newest(self, series: str) -> Manifest | None:
        """The manifest of the newest public build of a series; None where there is none.

        Raises InfrastructureError or UsageError where that cannot be known.
        """
        entry = reading.series(self.index(), series)
        return reading.newest_built(self.place, entry) if entry else None

    def serials(self, series: str) -> tuple[str, ...]:
        """The serials that the series has used, those of hidden and removed builds, too.

        Raises InfrastructureError or UsageError where that cannot be known.
        """
        entry = reading.series(self.index(), series)
        return tuple(build.serial for build in entry.builds) if entry else ()

    def index(self) -> StoreIndex:
        """The store's index; raises InfrastructureError or UsageError."""
        if isinstance(self._index, ForgeError):
            raise self._index
        return self._index

    @cached_property
    def _index(self) -> StoreIndex | ForgeError:
        # The same for all images of a plan, also if it is an error that took a while.
        try:
            return reading.read(self.place, self.trusted, self.memory, self.now)
        except ForgeError as error:
            return error


def open_store(
    url: str, keyring: Path | None, memory: Memory, now: datetime, *, must_exist: bool
) -> FolderStore | IndexStore:
    """The store at a folder or URL, whose index `keyring` verifies.

    A folder without an index is one of builds, unless there is a keyring: whoever could take the
    index away would have it believed without a signature. UsageError where a store must be there
    and is not, and where a signed one comes without a keyring.
    """
    place = open_readable(url)
    folder = place.root if isinstance(place, FolderPlace) else None
    if folder and must_exist and not folder.is_dir():
        raise UsageError(
            f"there is no store at {folder}", hint="make the folder, if nothing is published yet"
        )
    if keyring is not None:
        return IndexStore(place, keys.read_keyring(keyring), memory, now)
    if folder is None or (folder.is_dir() and reading.is_store(place)):
        raise UsageError(
            f"the store {place.url} is signed, and no keyring is given to verify that",
            hint="give its public keys with --keyring FILE",
        )
    return FolderStore(folder)
