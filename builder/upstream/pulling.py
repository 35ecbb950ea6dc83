# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstream pull: the newest version of each image comes into a store, and old ones leave it.

Images come side by side, and are published one after the other, as each is there. So whoever is
killed has those that were whole, and what was on its way goes on from where it was.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from builder import paths
from builder.builds import Built
from builder.downloads.client import public
from builder.downloads.local import is_local
from builder.errors import ForgeError
from builder.facility import locks
from builder.manifest import document
from builder.manifest.imported import Document
from builder.progress import NoProgress, Progress
from builder.running import RUNNING
from builder.side_by_side import side_by_side
from builder.store import gathering, reading, tending
from builder.store.index import Build, StoreIndex
from builder.store.publishing import publish
from builder.store.retention import Step, surplus
from builder.store.writing import Publisher
from builder.upstream import bringing, scs
from builder.upstream.asking import Asking
from builder.upstream.bringing import Arrived
from builder.upstream.checking import JOBS as ASKING
from builder.upstream.checking import Checked, check, counted
from builder.upstream.choosing import Chosen
from builder.upstream.finding import CHANNEL
from builder.upstream.shelf import Shelf

Answer = Literal["pulled", "planned", "unchanged", "older", "skipped", "failed"]
# What an image that does not come in is said to be.
STAYS: Final[dict[str, Answer]] = {
    "current": "unchanged",
    "older": "older",
    "skipped": "skipped",
    "failed": "failed",
}
# How many images come at once.
JOBS: Final = 2
# Files to publish beside an image, by name, of which the store has this index.
Beside = Callable[[StoreIndex | None, Document], Sequence[tuple[str, bytes]]]


@dataclass(frozen=True)
class Outcome:
    """What came of one image; `transferred` are bytes of images that came over the line.

    `reason` says why, and what went wrong; `warning` what is missing of an image that came.
    """

    checked: Checked
    answer: Answer
    reason: str = ""
    hint: str = ""
    build: Build | None = None
    transferred: int = 0
    warning: str = ""
    code: int = 0


@dataclass(frozen=True)
class Pulled:
    """What came of all: the images, the old builds that went, and what failed beside them."""

    outcomes: tuple[Outcome, ...]
    removed: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether anything did."""
        return bool(self.errors) or any(each.answer == "failed" for each in self.outcomes)

    @property
    def transferred(self) -> int:
        """The bytes of images that came."""
        return sum(each.transferred for each in self.outcomes)


def pull(
    chosen: Chosen,
    asking: Asking,
    publisher: Publisher,
    now: datetime,
    progress: Progress,
    *,
    jobs: int = JOBS,
    beside: Beside = lambda _index, _manifest: (),
    dry_run: bool = False,
) -> Pulled:
    """Bring what is newer upstream into a store, in the channel `upstream`, and let old ones go.

    `beside` makes what else is published with an image. One image that fails stops neither the
    others nor the cleanup. A dry run only asks. What is wrong with the store itself is an error at
    once.
    """
    shelf = Shelf(publisher.place, _index(publisher, dry_run=dry_run))
    checks = check(chosen, asking, shelf, now, progress, max(jobs, ASKING))
    coming = [each for each in checks if each.state == "new"]
    if dry_run:
        planned = [_planned(each) for each in checks]
        return Pulled(tuple(planned), _surplus(chosen, shelf.index, coming))
    work = _Work(asking, publisher, now, _Meter(coming, progress), beside)
    if coming:
        progress.stage(f"Bringing {counted(len(coming))}{_amount(coming)}")
    came = side_by_side([partial(work.one, each) for each in coming], jobs)
    by_name = {each.checked.name: each for each in came}
    outcomes = tuple(by_name.get(each.name) or _planned(each) for each in checks)
    progress.stage("Removing what is too old")
    try:
        removed = _clean(chosen, publisher, now)
    except ForgeError as error:
        return Pulled(outcomes, (), (f"old builds were not removed: {error.message}",))
    return Pulled(outcomes, removed)


@dataclass(frozen=True)
class _Work:
    """What all images that come share."""

    asking: Asking
    publisher: Publisher
    now: datetime
    meter: _Meter
    beside: Beside
    # The store has one publisher at a time, and refuses a second one.
    turn: AbstractContextManager[object] = field(default_factory=Lock)

    def one(self, wanted: Checked) -> Outcome:
        """Bring one image, and publish it."""
        assert wanted.found is not None
        try:
            with locks.alone(paths.state() / "upstream", f"upstream pull of {wanted.name}"):
                there = self._came_meanwhile(wanted)
                if there is not None:
                    words = "another process brought it meanwhile"
                    return Outcome(wanted, "unchanged", words, build=there)
                self.meter.begins(f"{wanted.name}-{wanted.serial}")
                arrived = bringing.bring(wanted.found, wanted.serial, self.asking, self.meter)
                with self.turn:
                    build, warning = self._publish(arrived)
                shutil.rmtree(bringing.incoming(wanted.name), ignore_errors=True)
        except ForgeError as error:
            return Outcome(wanted, "failed", error.message, error.hint, code=error.exit_code)
        return Outcome(
            wanted,
            "pulled",
            wanted.reason,
            build=build,
            transferred=arrived.brought.transferred,
            warning="; ".join(filter(None, (arrived.warning, warning))),
        )

    def _came_meanwhile(self, wanted: Checked) -> Build | None:
        """The build that another process published after this one looked into the store."""
        assert wanted.found is not None
        shelf = Shelf(self.publisher.place, _index(self.publisher, dry_run=True))
        return shelf.holds(wanted.name, wanted.found.offer)

    def _publish(self, arrived: Arrived) -> tuple[Build, str]:
        offer = arrived.offer
        built = Built(offer.name, offer.serial, arrived.brought.folder)
        url = offer.images[0].url
        with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
            more, warning = self._beside(built, Path(folder))
            # It was never booted here, and the index says so.
            done = publish(
                self.publisher,
                gathering.gather(built, more),
                CHANNEL,
                self.now,
                NoProgress(),
                unverified=True,
                origin=offer.images[0].name if is_local(url) else public(url),
            )
        return done.build, warning

    def _beside(self, built: Built, folder: Path) -> tuple[list[Path], str]:
        """The files to publish with an image, and why there are none: it comes without them."""
        index = _index(self.publisher, dry_run=True)
        try:
            made = self.beside(index, document.load_any(built.manifest))
        except ForgeError as error:
            return [], f"it comes without its changelog: {error.message}"
        for name, content in made:
            (folder / name).write_bytes(content)
        return [folder / name for name, _ in made], ""


class _Meter:
    """Counts the bytes of all images that come, and lets none come after an interrupt."""

    def __init__(self, coming: Sequence[Checked], progress: Progress) -> None:
        self._progress = progress
        # MiB; of a part nobody would see how far all of it is.
        self._total = _size(coming) >> 20 if _all_told(coming) else 0
        self._done = 0
        self._lock = Lock()

    def begins(self, build: str) -> None:
        """Another image is on its way."""
        with self._lock:
            self._progress.update(self._done >> 20, self._total, build)

    def __call__(self, count: int) -> None:
        """So many more bytes are there; KeyboardInterrupt where all is to end."""
        if RUNNING.stopping:
            raise KeyboardInterrupt
        with self._lock:
            before, self._done = self._done >> 20, self._done + count
            if self._done >> 20 != before:
                total = max(self._total, self._done >> 20) if self._total else 0
                self._progress.update(self._done >> 20, total)


def _index(publisher: Publisher, *, dry_run: bool) -> StoreIndex | None:
    """The index as it is now; None in a new store. Nothing is locked, or made, in a dry run."""
    if dry_run:
        return publisher.current() if reading.is_store(publisher.place) else None
    # The lock makes the folder of a new store.
    with publisher.place.lock():
        return publisher.current()


def _planned(each: Checked) -> Outcome:
    """What becomes of an image while nothing is brought."""
    build = each.had.build if each.had and each.state == "current" else None
    answer = STAYS.get(each.state, "planned")
    return Outcome(each, answer, each.reason, each.hint, build, code=each.code)


def _clean(chosen: Chosen, publisher: Publisher, now: datetime) -> tuple[Step, ...]:
    """Remove what is beyond the number of versions that each image has in the store."""
    index = _index(publisher, dry_run=True)
    if index is None:
        return ()
    steps = _surplus(chosen, index)
    # Also where nothing is to go: a cleanup that was killed is completed by the next one.
    wanted = [(step.series, step.build) for step in steps]
    done = tending.remove(publisher, wanted, now, "")
    reasons = {(step.series, step.build.serial): step.reason for step in steps}
    return tuple(replace(step, reason=reasons[step.series, step.build.serial]) for step in done)


def _surplus(
    chosen: Chosen, index: StoreIndex | None, coming: Sequence[Checked] = ()
) -> tuple[Step, ...]:
    """The builds that go, as soon as what is coming is there."""
    soon = {each.name for each in coming}
    steps = []
    for series in chosen.series:
        entry = reading.series(index, series.name) if index else None
        keep = scs.keep(series)
        for build in surplus(entry, CHANNEL, keep - (series.name in soon)) if entry else ():
            reason = f"the newest {keep} stay" if keep > 1 else "the newest one stays"
            steps.append(Step(series.name, build, "remove", reason))
    return tuple(steps)


def _size(coming: Sequence[Checked]) -> int:
    """Bytes of the images whose sizes are told."""
    found = (image for each in coming if each.found for image in each.found.offer.images)
    return sum(image.size or 0 for image in found)


def _all_told(coming: Sequence[Checked]) -> bool:
    """Whether the size of each image is told."""
    found = (image for each in coming if each.found for image in each.found.offer.images)
    return all(image.size for image in found)


def _amount(coming: Sequence[Checked]) -> str:
    size, more = _size(coming), "" if _all_told(coming) else " or more"
    return f" ({max(size >> 20, 1)} MiB{more})" if size else " (counted in MiB)"
