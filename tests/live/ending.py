# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs with guests that are ended at a moment of our choice, and what is left of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from builder.paths import CACHE_VARIABLE
from builder.rundir import sweep
from tests.integration.harness import Account
from tests.live.conftest import ROOT

MARK = "the moment has come"


class Moment(StrEnum):
    """Where a program stands when it says that it is ready to be ended: Python code for it."""

    NONE = "from builder.cli import main"
    # Just when the guest would be started.
    BEFORE = """
from builder.cli import main
from builder.guest import hypervisor
hypervisor.Hypervisor.start = stop
"""
    # With an open console, and a shell behind it.
    ASKING = """
from builder.cli import main
from builder.guest.postmortem import serial
serial.ask = stop
"""
    # Two pytests side by side, each in a test of its guest.
    TESTS = """
import pathlib, signal
from builder.cli import _interrupt
from builder.guest import verdict
from builder.side_by_side import side_by_side

TEST = '''
import time

def test_waits(guest, request):
    (request.path.parent / guest.firmware).touch()
    time.sleep(3600)
'''

def main(words):
    image, work, *kinds = words
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    verdict.BASE_TESTS = pathlib.Path(work) / "tests"
    verdict.BASE_TESTS.mkdir()
    (verdict.BASE_TESTS / "test_waits.py").write_text(TEST)
    print(MARK, flush=True)
    jobs = [
        lambda kind=kind: verdict.verdict(
            pathlib.Path(image), report_dir=pathlib.Path(work), firmware=kind, accel="tcg"
        )
        for kind in kinds
    ]
    side_by_side(jobs, len(jobs))
"""


PROGRAM = """
import sys, time

MARK = {mark!r}

def stop(*_words, **_more):
    print(MARK, flush=True)
    time.sleep(3600)

{moment}
sys.exit(main(sys.argv[1:]))
"""


class Ending:
    """Programs with `image` as their guest's, whose files are all in `work`."""

    def __init__(self, image: Path, work: Path, account: Account | None = None) -> None:
        self.image = image
        self.work = work
        self._prefix = account.prefix if account else ()
        self._guests = work / "cache" / "guests"

    @contextlib.contextmanager
    def checked(self) -> Iterator[Ending]:
        """At the end: no process, no disk that the next run would not remove, the same image."""
        image = self.image
        before = digest(image)
        yield self
        assert wait_for(lambda: not emulators(self.work), 30), "the guest lives on"
        assert wait_for(lambda: not processes(self.work), 30), processes(self.work)
        sweep(self._guests)
        assert [path for path in self._guests.glob("*") if path.is_dir()] == []
        assert digest(image) == before

    def left(self, count: int) -> None:
        """There are that many leftovers of runs, and the next one removes them all."""
        assert wait_for(lambda: not emulators(self.work), 30), "the guest lives on"
        # Who takes its guest away removes the guest's folder after that.
        wait_for(lambda: len(self._runs()) == count, 30)
        found = self._runs()
        assert len(found) == count, found
        assert sweep(self._guests) == found

    def _runs(self) -> list[Path]:
        """The folders of guests."""
        return sorted(path for path in self._guests.glob("run-*") if path.is_dir())

    @contextlib.contextmanager
    def started(
        self, *words: str, moment: Moment = Moment.NONE, seconds: float = 300
    ) -> Iterator[subprocess.Popen[str]]:
        """A program; where it tells its moment, it has."""
        told = self.work / "told"
        program = PROGRAM.format(mark=MARK, moment=moment.value)
        argv = [
            *self._prefix,
            "env",
            f"HOME={self.work}",
            f"{CACHE_VARIABLE}={self.work / 'cache'}",
            *([f"XDG_RUNTIME_DIR={self.work / 'run'}"] if self._prefix else []),
            *(sys.executable, "-c", program),
            *self._words(moment, words),
        ]
        with (
            told.open("w") as stdout,
            subprocess.Popen(argv, cwd=ROOT, stdout=stdout, text=True) as running,
        ):
            try:
                if moment is not Moment.NONE:
                    assert wait_for(lambda: MARK in told.read_text(), seconds), "it never came"
                yield running
            finally:
                running.kill()

    def end(self, program: subprocess.Popen[str], number: signal.Signals) -> None:
        """Send a signal; the program ends by it."""
        assert program.poll() is None
        program.send_signal(number)
        program.wait(120)

    def _words(self, moment: Moment, words: tuple[str, ...]) -> list[str | Path]:
        if moment is Moment.TESTS:
            return [self.image, self.work, *words]
        return [*words, self.image, "--no-shell", "--accel", "tcg", "--out", self.work]


def emulators(work: Path) -> list[int]:
    """The processes of QEMU whose disk lies under `work`."""
    return [pid for pid, words in _commands() if b"qemu-system" in words[0] and _in(words, work)]


def processes(work: Path) -> list[int]:
    """All processes with `work` in their command line, but for our own."""
    return [pid for pid, words in _commands() if _in(words, work) and pid != os.getpid()]


def owned_by(uid: int) -> set[str]:
    """The programs that a user runs."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                found.add((entry / "comm").read_text().strip())
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll, since other processes tell nobody when they end."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _commands() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (line := (entry / "cmdline").read_bytes()):
                yield int(entry.name), line.split(b"\0")


def _in(words: list[bytes], work: Path) -> bool:
    return any(bytes(work) in word for word in words)
