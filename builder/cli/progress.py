# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress on a terminal: one bar that names the stage, the task and the packages."""

from __future__ import annotations

import sys
import time

from builder.progress import NoProgress, PlainProgress, Progress


def progress(*, quiet: bool) -> Progress:
    """A bar where stderr is a terminal, plain lines elsewhere, nothing if asked for."""
    if quiet:
        return NoProgress()
    return TerminalProgress() if sys.stderr.isatty() else PlainProgress()


class TerminalProgress:
    """A line per finished stage, and a bar for the present one."""

    def __init__(self) -> None:
        # Imported late: everything but a terminal does without it.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description:<30}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._console = self._bars.console
        self._task = self._bars.add_task("", total=None, detail="", visible=False)
        self._title = ""
        self._start = time.monotonic()
        self._bars.start()

    def stage(self, title: str) -> None:
        """Tick the last stage off and start the next bar."""
        self._tick()
        self._title = title
        self._start = time.monotonic()
        # A new one: a bar that was counted cannot be made to forget its total.
        self._bars.remove_task(self._task)
        self._task = self._bars.add_task(title, total=None, detail="")

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Move the bar; it goes to and fro where the total is not known."""
        self._bars.update(self._task, completed=done, total=total or None, detail=detail)

    def finish(self) -> None:
        """Tick the last stage off and leave the terminal as it was."""
        # A stage that ends with an exception is not ticked off.
        if sys.exc_info()[0] is None:
            self._tick()
        self._bars.stop()

    def _tick(self) -> None:
        if self._title:
            seconds = time.monotonic() - self._start
            self._console.print(f"[green]✓[/] {self._title:<34} [dim]{seconds:6.1f} s[/]")
            self._title = ""
