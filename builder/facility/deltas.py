# SPDX-License-Identifier: GPL-2.0-or-later
"""An image of a store out of an earlier one that is here, by what its publisher says changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.store.index import Build, Image, SeriesEntry
from builder.store.place import OnBytes, Readable

# The local file of an earlier build of a series, by serial and format; None where it is not here.
Bases = Callable[[str, str], Path | None]


@dataclass(frozen=True)
class Update:
    """An image that came by deltas: the bytes that were transferred for it, and the steps."""

    transferred: int
    steps: int


def update(
    place: Readable,
    entry: SeriesEntry,
    build: Build,
    image: Image,
    bases: Bases,
    target: Path,
    on_bytes: OnBytes,
) -> Update | None:
    """Make an image at `target` out of a base that is here; None where the whole file is cheaper.

    What is at `target` afterwards has the index's sha256; there is nothing there if None.
    """
    del place, entry, build, image, bases, target, on_bytes
    return None
