# SPDX-License-Identifier: GPL-2.0-or-later
"""What a long run tells the person who waits for it: plain lines here, a bar in `builder.cli`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """Something that can show how far a run is."""

    def stage(self, title: str) -> None:
        """A new stage begins, such as "Installing packages"."""

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Within the stage, `done` of `total` steps are made; `detail` names the present one.

        The total is 0 where nobody knows it.
        """

    def finish(self) -> None:
        """The run is over, well or not."""


@dataclass
class Stopwatch:
    """How long each stage took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, title: str, progress: Progress) -> Iterator[None]:
        """Announce a stage, and measure it."""
        progress.stage(title)
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[title] = round(time.monotonic() - start, 2)


class PlainProgress:
    """One line per stage on stderr, with the seconds since the start; details are left out."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._detail = ""

    def stage(self, title: str) -> None:
        """Print the stage's title."""
        print(f"[{time.monotonic() - self._start:5.0f} s] {title}", file=sys.stderr, flush=True)

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Print a detail when it changes: tasks of FAI, not single packages."""
        if detail and detail != self._detail:
            self._detail = detail
            counted = f" ({done}/{total})" if total else ""
            print(f"          {detail}{counted}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Nothing is left on the screen that would have to be cleared."""


class NoProgress:
    """For callers that nobody watches."""

    def stage(self, title: str) -> None:
        """Say nothing."""

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""
