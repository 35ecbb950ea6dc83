# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress of a nightly: a bar for each image that is at work, plain lines where nobody watches."""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from builder.nightly.ledger import Watcher
from builder.nightly.model import StepRun
from builder.nightly.words import span

if TYPE_CHECKING:
    from rich.progress import TaskID

# Of what a step says, so much is shown beside its name.
SHOWN = 60


class Shown(Watcher, Protocol):
    """A watcher that has something on the screen."""

    def finish(self) -> None:
        """The nightly is over; the screen is left as it was."""


def watcher() -> Shown:
    """A line for each image at work where stderr is a terminal, plain lines elsewhere."""
    return TerminalWatcher() if sys.stderr.isatty() else PlainWatcher()


class PlainWatcher:
    """A line on stderr where a step begins and where it ends, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lock = Lock()

    def begins(self, what: str, step: str) -> None:
        """Say which step begins."""
        self._say(f"{what}: {step}")

    def says(self, what: str, line: str) -> None:
        """The log has it."""

    def ends(self, what: str, step: StepRun) -> None:
        """Say how it ended."""
        self._say(f"{what}: {told(step)}")

    def finish(self) -> None:
        """Nothing is left on the screen."""

    def _say(self, text: str) -> None:
        with self._lock:
            print(f"[{time.monotonic() - self._start:5.0f} s] {text}", file=sys.stderr, flush=True)


class TerminalWatcher:
    """A line that moves for each step at work, and one that stays for each that ended."""

    def __init__(self) -> None:
        # Imported late: everything but a terminal does without it.
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}", style="dim", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._lock = Lock()
        self._tasks: dict[str, TaskID] = {}

    def begins(self, what: str, step: str) -> None:
        """Add a line."""
        with self._lock:
            # Not before: the plan has a bar of its own.
            self._bars.start()
            self._tasks[what] = self._bars.add_task(f"{what}: {step}", total=None, said="")

    def says(self, what: str, line: str) -> None:
        """Show it beside the step."""
        with self._lock:
            if what in self._tasks:
                self._bars.update(self._tasks[what], said=line.strip()[:SHOWN])

    def ends(self, what: str, step: StepRun) -> None:
        """Take the line away, and leave one that says how it ended."""
        with self._lock:
            task = self._tasks.pop(what, None)
            if task is not None:
                self._bars.remove_task(task)
            self._bars.console.print(f"{what}: {told(step)}", markup=False, highlight=False)

    def finish(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()


def told(step: StepRun) -> str:
    """How a step ended, in one line."""
    if step.outcome == "left-out":
        return f"{step.name} left out: {step.reason}"
    if step.outcome == "kept":
        return f"{step.name} was done before"
    again = ", at try 2" if step.tries > 1 else ""
    why = f": {step.reason}" if step.outcome != "done" else ""
    return f"{step.name} {step.outcome} in {span(step.seconds)}{again}{why}"
