# SPDX-License-Identifier: GPL-2.0-or-later
"""What is published of an image: the newest manifest in a store.

A store that cannot be read is an error, never a store in which nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.builds import Builds
from builder.errors import InfrastructureError, UsageError
from builder.manifest import document
from builder.manifest.model import Manifest


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


def open_store(place: Path, *, must_exist: bool) -> FolderStore:
    """The store at a folder; UsageError where it must be there and is not."""
    if must_exist and not place.is_dir():
        raise UsageError(
            f"there is no store at {place}", hint="make the folder, if nothing is published yet"
        )
    return FolderStore(place)
