# SPDX-License-Identifier: GPL-2.0-or-later
"""An image of a store out of an earlier one that is here, by what its publisher says changed."""

from __future__ import annotations

import fcntl
import hashlib
import heapq
import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder import paths
from builder.errors import ForgeError, InfrastructureError
from builder.rundir import run_folder
from builder.store import fetching
from builder.store.delta import applying, disks, header, packing
from builder.store.delta.packing import Packed
from builder.store.index import Build, Delta, Image, SeriesEntry, folder
from builder.store.place import OnBytes, Readable

log = logging.getLogger(__name__)

# The local file of an earlier build of a series, by serial and format; None where it is not here.
Bases = Callable[[str, str], Path | None]

# Of the whole file: the rest of the time goes into unpacking and packing again.
WORTH: Final = 0.7
# Each step takes its time, and none is so small that a year of them is better than the file.
LONGEST: Final = 24


@dataclass(frozen=True)
class Update:
    """An image that came by deltas: the bytes that were transferred for it, and the steps."""

    transferred: int
    steps: int


@dataclass(frozen=True)
class Step:
    """One delta of a way, and the build that it makes."""

    build: Build
    delta: Delta


@dataclass(frozen=True)
class Way:
    """Where a way begins: an image that is here; and the steps to the one that is wanted."""

    base: Path
    format: str
    steps: tuple[Step, ...]

    @property
    def size(self) -> int:
        """The bytes of all deltas."""
        return sum(step.delta.size for step in self.steps)


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

    What is at `target` afterwards has the index's sha256; there is nothing there if None. A delta
    that is wrong, a machine without room or one that packs otherwise is no error: a line says why,
    and the whole file is to be fetched. InfrastructureError where the store cannot be read now;
    what came of the deltas is kept beside `target`, and gone on from.
    """
    if target.exists():
        # fetching.fetch() says what is wrong with another file.
        return Update(0, 0) if disks.digest(target) == image.sha256 else None
    way = choose(entry, build, image, bases)
    if way is None:
        return None
    with _beside(target) as (kept, complete):
        try:
            for step in way.steps:
                path = f"{folder(entry.name, step.build)}/{step.delta.name}"
                fetching.fetch(place, path, step.delta, kept / step.delta.name, on_bytes)
        except (fetching.WrongContent, fetching.Absent) as error:
            log.warning("%s-%s comes as a whole: %s", entry.name, build.serial, error.message)
            return None
        complete()
        try:
            with run_folder(paths.cache().work) as work:
                _make(way, image, kept, work, target)
        except (ForgeError, OSError, ValueError, MemoryError) as error:
            said = error.message if isinstance(error, ForgeError) else str(error)
            log.warning("%s-%s comes as a whole: %s", entry.name, build.serial, said)
            return None
    return Update(way.size, len(way.steps))


def choose(entry: SeriesEntry, build: Build, image: Image, bases: Bases) -> Way | None:
    """The way of the fewest bytes to an image, from any build that is here unchanged.

    None where there is none that is worth it.
    """
    if image.format not in disks.WRITABLE:
        return None
    builds = {each.serial: each for each in entry.builds if each.state != "removed"}
    limit = WORTH * image.size
    # A number of its own for each way, since steps have no order.
    number = itertools.count()
    queue: list[tuple[int, str, int, tuple[Step, ...]]] = [(0, build.serial, next(number), ())]
    seen: set[str] = set()
    while queue:
        size, serial, _, steps = heapq.heappop(queue)
        if serial in seen:
            continue
        seen.add(serial)
        if steps and (found := _here(serial, builds.get(serial), bases)):
            return Way(*found, steps)
        made = builds.get(serial)
        if made is None or len(steps) == LONGEST:
            continue
        for delta in made.deltas:
            if size + delta.size < limit:
                step = Step(made, delta)
                way = (size + delta.size, delta.base, next(number), (step, *steps))
                heapq.heappush(queue, way)
    return None


def _here(serial: str, build: Build | None, bases: Bases) -> tuple[Path, str] | None:
    """The file of a build that is here, and its format; only what is as the index says."""
    # A build that the index names no more, or whose image differs there, is known by its delta.
    known = {each.format: each.sha256 for each in build.images} if build else {}
    for form in disks.READABLE:
        path = bases(serial, form)
        if path is None or not path.is_file() or not disks.is_disk(path, form):
            continue
        if form in known and disks.digest(path) != known[form]:
            log.warning("%s is not what the store has; nothing is made out of it", path)
            continue
        return path, form
    return None


def _make(way: Way, image: Image, kept: Path, work: Path, target: Path) -> None:
    """Apply the deltas one after the other, and pack the last disk as it was published."""
    packed = _packed(way.base, way.format, work)
    for number, step in enumerate(way.steps):
        delta = kept / step.delta.name
        head, begins = header.read(delta)
        new = applying.apply(packed, head, delta, begins, work / f"packed.{number}", work)
        packed.path.unlink()
        packed = new
    into = work / "made"
    into.mkdir()
    raw = into / "disk.raw"
    packing.unpack(packed.path, packed.size, packed.extents, raw)
    packed.path.unlink()
    made = disks.published(raw, image.format, image.sha256, into)
    _place(made, target, kept)


def _packed(base: Path, form: str, work: Path) -> Packed:
    raw = disks.to_raw(base, form, work / "base.raw")
    packed = packing.pack(raw, work / "packed")
    if raw != base:
        raw.unlink()
    return packed


def _place(made: Path, target: Path, kept: Path) -> None:
    """Give the image its name; it is beside it, and on the disk, before that."""
    beside = kept / "whole"
    shutil.move(made, beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(target)


@contextmanager
def _beside(target: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """The folder of a target's deltas, which one process has at a time.

    It goes at the end, but for an error before all deltas are there.
    """
    name = hashlib.sha256(target.name.encode()).hexdigest()[:32]
    kept = target.with_name(f".{name}.deltas")
    try:
        kept.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(kept, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise InfrastructureError(
            f"{kept} cannot be written: {error.strerror}", hint="is there room, and is it yours?"
        ) from error
    complete: list[bool] = []
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InfrastructureError(
                f"another process fetches {target}", hint="wait until it is done"
            ) from error
        try:
            yield kept, lambda: complete.append(True)
        except BaseException:
            if complete:
                shutil.rmtree(kept, ignore_errors=True)
            raise
        shutil.rmtree(kept, ignore_errors=True)
    finally:
        os.close(descriptor)
