# SPDX-License-Identifier: GPL-2.0-or-later
"""The books of a nightly: what its threads report goes into the document, and onto the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from builder.nightly.folder import RunFolder
from builder.nightly.model import ImageRun, NightlyRun, StepRun

# What stands in the place of an image's name for the steps that are about the whole store.
STORE = "store"


class Watcher(Protocol):
    """Somebody who waits for a nightly; called by several threads."""

    def begins(self, what: str, step: str) -> None:
        """A step of an image, or of the store, begins."""

    def says(self, what: str, line: str) -> None:
        """The program of the present step said something."""

    def ends(self, what: str, step: StepRun) -> None:
        """A step ended, well or not, or had been done before."""


class Ledger:
    """Keeps the document true and on the disk, whatever is going on.

    `begin` is when the call began, by the monotonic clock in seconds.
    """

    def __init__(self, folder: RunFolder, run: NightlyRun, watcher: Watcher, begin: float) -> None:
        self._folder = folder
        self._run = run
        self._watcher = watcher
        self._lock = threading.Lock()
        self._begin = begin

    @property
    def run(self) -> NightlyRun:
        """The document as it is now."""
        with self._lock:
            return self._run

    def image(self, image: ImageRun) -> None:
        """What is known of an image, in place of what was."""
        with self._lock:
            images = tuple(image if each.name == image.name else each for each in self._run.images)
            self._save(images=images)

    def store(self, steps: Sequence[StepRun]) -> None:
        """The steps that are about the whole store, in place of those that were."""
        with self._lock:
            self._save(store_steps=tuple(steps))

    def begins(self, what: str, step: str) -> None:
        """A step begins."""
        self._watcher.begins(what, step)

    def says(self, what: str, line: str) -> None:
        """The program of a step said something."""
        self._watcher.says(what, line)

    def ends(self, what: str, step: StepRun) -> None:
        """A step ended."""
        self._watcher.ends(what, step)

    def close(self, exit_code: int) -> NightlyRun:
        """All is over: what was still going on was interrupted."""
        with self._lock:
            images = tuple(_over(each) for each in self._run.images)
            steps = tuple(_ended(each) for each in self._run.store_steps)
            now = datetime.now(UTC).replace(microsecond=0)
            self._save(images=images, store_steps=steps, ended=now, exit_code=exit_code)
            return self._run

    def _save(self, **changes: object) -> None:
        seconds = round(time.monotonic() - self._begin, 1)
        self._run = self._run.model_copy(update={**changes, "seconds": seconds})
        self._folder.save(self._run)


def _over(image: ImageRun) -> ImageRun:
    if image.outcome not in ("waiting", "running"):
        return image
    reason = "" if image.outcome == "waiting" else f"{image.steps[-1].name} interrupted"
    return image.model_copy(
        update={
            "outcome": "interrupted",
            "reason": reason or "interrupted before it began",
            "steps": tuple(_ended(each) for each in image.steps),
        }
    )


def _ended(step: StepRun) -> StepRun:
    return step.model_copy(update={"outcome": "interrupted"}) if step.outcome == "running" else step
