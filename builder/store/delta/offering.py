# SPDX-License-Identifier: GPL-2.0-or-later
"""The delta that is published beside a build: from the build before it, where that spares enough.

Nothing of it is needed to publish: what goes wrong is a line, and the build goes without.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.builds import Built
from builder.errors import ForgeError
from builder.manifest import document
from builder.manifest.imported import Document
from builder.manifest.model import File
from builder.progress import Progress
from builder.rundir import run_folder
from builder.store import fetching, reading
from builder.store.delta import disks, making
from builder.store.delta.making import Pair
from builder.store.index import Build, Delta, Image, StoreIndex, folder
from builder.store.place import Readable

log = logging.getLogger(__name__)

# Of the size of the image: who has to fetch more than that may as well fetch all of it.
LARGEST: Final = 0.6


@dataclass(frozen=True)
class Offered:
    """A delta that was made, and the index's entry of it."""

    path: Path
    entry: Delta


@dataclass(frozen=True)
class _Wanted:
    """What a delta is made between."""

    before: Build
    old: Image
    new: File


def offer(
    place: Readable,
    index: StoreIndex | None,
    built: Built,
    channel: str,
    out: Path,
    work: Path,
    progress: Progress,
) -> Offered | None:
    """The delta in `out` from the newest earlier build of the channel; None where there is none.

    The earlier image is that of the folder of builds that this one is in, or else of the store. The
    delta is made in a folder below `work`.
    """
    manifest = document.load_any(built.manifest)
    wanted = _wanted(index, manifest, channel)
    if wanted is None:
        return None
    before = f"{built.name}-{wanted.before.serial}"
    try:
        with run_folder(work) as room:
            made = _make(place, built, wanted, room, out, progress)
    except (ForgeError, OSError, ValueError, MemoryError) as error:
        said = error.message if isinstance(error, ForgeError) else str(error)
        log.warning("no delta from %s: %s", before, said)
        return None
    if made is None:
        return None
    entry = Delta(
        name=made.name,
        size=made.stat().st_size,
        sha256=disks.digest(made),
        format=wanted.new.format,
        base=wanted.before.serial,
    )
    if entry.size > LARGEST * wanted.new.size:
        log.warning(
            "no delta from %s: it would have %d of %d MB",
            *(before, entry.size // 10**6, wanted.new.size // 10**6),
        )
        made.unlink()
        return None
    return Offered(made, entry)


def _wanted(index: StoreIndex | None, manifest: Document, channel: str) -> _Wanted | None:
    """The newest earlier build of the channel, and the best format that both have."""
    entry = reading.series(index, manifest.name) if index else None
    if entry is None or any(each.serial == manifest.serial for each in entry.builds):
        return None
    before = reading.newest(entry, channel, below=manifest.serial)
    if before is None:
        return None
    old = {each.format: each for each in before.images}
    new = {each.format: each for each in manifest.files}
    shared = [form for form in disks.READABLE if form in old and form in new]
    return _Wanted(before, old[shared[0]], new[shared[0]]) if shared else None


def _make(
    place: Readable, built: Built, wanted: _Wanted, room: Path, out: Path, progress: Progress
) -> Path | None:
    new = built.folder / wanted.new.name
    # Tests and templates publish files that are no disks at all.
    if not disks.is_disk(new, wanted.new.format):
        log.info("no delta: %s is no disk", new.name)
        return None
    progress.stage(f"Making the delta from {wanted.before.serial}")
    old = _old(place, built, wanted, room)
    if not disks.is_disk(old, wanted.old.format):
        log.info("no delta: %s is no disk", old.name)
        return None
    form = wanted.new.format
    old_raw = disks.to_raw(old, form, room / "old.raw")
    new_raw = disks.to_raw(new, form, room / "new.raw")
    target = out / f"{wanted.new.name}.from-{wanted.before.serial}.delta"
    inner = room / "patches"
    inner.mkdir()
    try:
        pair = Pair(built.name, wanted.before.serial, built.serial)
        making.make(pair, old_raw, new_raw, target, inner)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def _old(place: Readable, built: Built, wanted: _Wanted, room: Path) -> Path:
    """The earlier image: beside the new one if it is there unchanged, else fetched."""
    beside = built.folder.parent / wanted.before.serial / wanted.old.name
    if beside.is_file() and disks.digest(beside) == wanted.old.sha256:
        return beside
    target = room / wanted.old.name
    path = f"{folder(built.name, wanted.before)}/{wanted.old.name}"
    fetching.fetch(place, path, wanted.old, target)
    return target
