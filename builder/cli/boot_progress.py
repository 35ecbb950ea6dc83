# SPDX-License-Identifier: GPL-2.0-or-later
"""How boots go, on stderr: one line for each kind on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol

from builder.errors import InfrastructureError
from builder.guest.progress import STAGES, Event
from builder.guest.reports.page import counted, span
from builder.guest.reports.report import Boot
from builder.guest.trials import Watcher

# Of tests that pass, plain lines tell every so many.
EVERY = 10


class Shown(Watcher, Protocol):
    """A watcher that is switched off at the end."""

    def finish(self) -> None:
        """All trials are over, well or not."""


def watcher(kinds: Sequence[str]) -> Shown:
    """Bars where stderr is a terminal, plain lines elsewhere."""
    return Bars(kinds) if sys.stderr.isatty() else Lines(kinds)


class Lines:
    """A line for each stage, each failure and every tenth test, with the time since the start."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._begin = time.monotonic()
        self._wide = max(map(len, kinds))

    def started(self, kind: str) -> None:
        """Say what comes."""
        self._say(kind, f"starts; to come: {', '.join(STAGES)}, tests")

    def event(self, kind: str, event: Event) -> None:
        """Say a stage, and of the tests the bad ones and some of the others."""
        done = f"test {event.number} of {event.total}"
        if event.kind == "kept":
            self._say(kind, f"its folder is kept: {event.text}")
        elif event.kind == "stage":
            self._say(kind, event.text)
        elif not event.passed:
            self._say(kind, f"{done} failed: {event.text}")
        elif event.number % EVERY == 0 or event.number == event.total:
            self._say(kind, done)

    def ended(self, boot: Boot) -> None:
        """Say the verdict."""
        self._say(boot.name, f"{boot.verdict}, {counted(boot)}")

    def broke(self, kind: str, error: InfrastructureError) -> None:
        """Say what the host did."""
        self._say(kind, f"no verdict: {error.message}")

    def finish(self) -> None:
        """Nothing is left on the screen that would have to be cleared."""

    def _say(self, kind: str, text: str) -> None:
        seconds = time.monotonic() - self._begin
        print(f"[{seconds:5.0f} s] {kind:<{self._wide}}  {text}", file=sys.stderr, flush=True)


class Bars:
    """A bar for each kind: the stages of its start, then its tests."""

    def __init__(self, kinds: Sequence[str]) -> None:
        # Imported late: everything but a terminal does without it.
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        self._escape = escape
        self._console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._wide = max(map(len, kinds))
        self._tasks = {
            kind: self._bars.add_task(
                f"{kind:<{self._wide}}", total=len(STAGES), start=False, detail="waits for its turn"
            )
            for kind in kinds
        }
        self._failed = dict.fromkeys(kinds, 0)
        self._bars.start()

    def started(self, kind: str) -> None:
        """Start the bar."""
        self._bars.start_task(self._tasks[kind])
        self._bars.update(self._tasks[kind], detail=f"next: {STAGES[0]}")

    def event(self, kind: str, event: Event) -> None:
        """Move the bar."""
        if event.kind == "kept":
            self._console.print(f"{kind}: its folder is kept: {event.text}", markup=False)
            return
        if event.kind == "stage":
            # A second try begins anew, and a stage of somebody else's is none of ours.
            number = STAGES.index(event.text) + 1 if event.text in STAGES else 0
            self._failed[kind] = 0
            coming = STAGES[number] if number < len(STAGES) else "tests"
            self._update(kind, number, len(STAGES), f"next: {coming}")
            return
        self._failed[kind] += not event.passed
        if not event.passed:
            text = self._escape(event.text)
            self._console.print(f"[red]✗[/] {kind:<{self._wide}}  {text}")
        bad = f"{self._failed[kind]} failed, " if self._failed[kind] else ""
        self._update(kind, event.number, event.total, f"{bad}{event.text}")

    def ended(self, boot: Boot) -> None:
        """Put the verdict above the bars."""
        sign = "[green]✓[/]" if boot.ok else "[red]✗[/]"
        words = f"{boot.name:<{self._wide}}  {boot.verdict}, {counted(boot)}"
        self._console.print(f"{sign} {words} [dim]{span(boot.seconds)}[/]")
        self._bars.remove_task(self._tasks[boot.name])

    def broke(self, kind: str, error: InfrastructureError) -> None:
        """Say what the host did."""
        words = self._escape(f"{kind:<{self._wide}}  no verdict: {error.message}")
        self._console.print(f"[yellow]?[/] {words}")
        self._bars.remove_task(self._tasks[kind])

    def finish(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def _update(self, kind: str, done: int, total: int, detail: str) -> None:
        self._bars.update(self._tasks[kind], completed=done, total=total, detail=detail)
