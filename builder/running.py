# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that `run` waits for, in any thread, and how they are ended all at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any


class Running:
    """The programs that `run` waits for now, in any thread, and whether others may start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graces: dict[subprocess.Popen[str], float] = {}
        self._stopping = 0

    @property
    def stopping(self) -> bool:
        """Whether all are to end; who works without a program looks here."""
        return self._stopping > 0

    def start(self, grace: float, words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program; KeyboardInterrupt while all are to end."""
        with self._lock:
            if self._stopping:
                raise KeyboardInterrupt
            process = subprocess.Popen(words, **options)
            self._graces[process] = grace
        return process

    def ended(self, process: subprocess.Popen[str]) -> None:
        """The program is not waited for any more."""
        with self._lock:
            self._graces.pop(process, None)

    def stop(self) -> None:
        """End all of them, and refuse others."""
        with self._lock:
            self._stopping += 1
            graces = dict(self._graces)
        # At once, so that nobody's grace adds to another's.
        threads = [threading.Thread(target=end, args=each) for each in graces.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def go_on(self) -> None:
        """Others may start again."""
        with self._lock:
            self._stopping -= 1


RUNNING = Running()


@contextlib.contextmanager
def stop_programs() -> Iterator[None]:
    """End all programs that `run` waits for in any thread, and let none start in the block.

    Those that `run` was told to give a `grace` are asked first.
    """
    RUNNING.stop()
    try:
        yield
    finally:
        RUNNING.go_on()


def end(process: subprocess.Popen[str], grace: float) -> None:
    """Ask the program to end where it has a `grace` in seconds for that; then kill its group."""
    if grace:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End the program and all that it started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
