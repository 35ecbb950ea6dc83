# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock that is a file at a place: it holds as long as its owner says so again and again.

The owner writes its note anew every few seconds; one that was not written for `seconds` is of a
publisher that was killed, and is taken over. Ages are told by the place's own clock, so that ours
does not matter. Where the note's process was on this machine, and is gone, nobody has to wait.

An owner that could not write its note in time (no network, a suspended machine) must not publish
any more: `Lease.check` says so, and is called before everything that changes the place.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from builder.errors import InfrastructureError

log = logging.getLogger(__name__)

# Seconds after which a lock that nobody renewed is dead; it is renewed four times in that time.
SECONDS: Final = 120.0
BEATS: Final = 4
# Rounds in which others may be faster than we are.
ROUNDS: Final = 5
LONGEST: Final = 1000


@dataclass(frozen=True)
class Note:
    """What is in a lock file: a line each."""

    token: str
    owner: str
    """For people: the machine and the process."""
    process: str
    """For us: boot, process namespace, process number and its start."""
    beat: int = 0
    """How often it was written anew."""

    @classmethod
    def ours(cls) -> Note:
        """A new note of this process."""
        pid = os.getpid()
        owner = f"{os.uname().nodename}, process {pid}"
        return cls(uuid.uuid4().hex, owner, f"{_machine()} {pid} {_start(pid)}")

    @classmethod
    def parse(cls, content: bytes) -> Note:
        """The note in a file; unknown ones and half written ones have an empty process."""
        lines = content[:LONGEST].decode(errors="replace").splitlines()
        if len(lines) == 4 and lines[3].isdecimal():
            owner = "".join(filter(str.isprintable, lines[1]))
            return cls(lines[0], owner, lines[2], int(lines[3]))
        return cls("", "unknown", "")

    def content(self) -> bytes:
        """The file's content, of the same length for all beats."""
        return f"{self.token}\n{self.owner}\n{self.process}\n{self.beat:08d}\n".encode()

    def gone(self) -> bool:
        """Whether the process was on this machine, and is not any more."""
        machine, _, rest = self.process.rpartition(" ")[0].rpartition(" ")
        start = self.process.rpartition(" ")[2]
        return machine == _machine() and rest.isdecimal() and _start(int(rest)) != start


@dataclass(frozen=True)
class Seen:
    """A lock file as the place shows it."""

    content: bytes
    age: float
    """Seconds since it was written, by the place's clock."""
    version: str = ""
    """What the place calls this state of the file, if it has names for that."""


class LockFile(Protocol):
    """The lock file of a place; each method is one step that no other publisher can get between,
    as far as the place can do that."""

    def look(self) -> Seen | None:
        """The file, or None if there is none."""

    def create(self, content: bytes) -> bool:
        """Make the file; False if there is one already."""

    def renew(self, content: bytes) -> bool:
        """Write our own file anew; False if it is not ours any more."""

    def take_over(self, seen: Seen, content: bytes) -> bool:
        """Put ours in place of a dead one; False if that is not what was seen any more."""

    def drop(self, content: bytes) -> None:
        """Remove the file, if it is ours."""


class Lease:
    """A lock that we have; `check` raises InfrastructureError once it is not ours any more."""

    def __init__(
        self, file: LockFile, note: Note, seconds: float, clock: Callable[[], float]
    ) -> None:
        self._file, self._note, self._seconds, self._clock = file, note, seconds, clock
        self._renewed = clock()
        self._lost = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def check(self) -> None:
        """Raise InfrastructureError if another publisher has the lock, or could have it."""
        if self._lost or self._clock() - self._renewed > self._seconds:
            raise InfrastructureError(
                "the lock of the store was lost, and another publisher may be at work",
                hint="was the connection broken, or the machine suspended? call this again",
            )

    def start(self) -> None:
        """Renew the lock from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End renewing, and remove the lock if it is still ours."""
        self._end.set()
        self._thread.join()
        self._file.drop(self._note.content())

    def _keep(self) -> None:
        while not self._end.wait(self._seconds / BEATS):
            begun = self._clock()
            after = replace(self._note, beat=self._note.beat + 1)
            try:
                if not self._file.renew(after.content()):
                    self._lost = True
                    return
            except InfrastructureError as error:
                # It may work the next time; `check` knows how long that lasts.
                log.warning("the lock of the store could not be renewed: %s", error)
                continue
            self._note, self._renewed = after, begun


def _boottime() -> float:
    """A clock that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextmanager
def hold(
    url: str, file: LockFile, seconds: float, clock: Callable[[], float] = _boottime
) -> Iterator[Lease]:
    """Have the lock of the place `url`; InfrastructureError names another publisher that has it."""
    note = Note.ours()
    _take(url, file, note, seconds)
    lease = Lease(file, note, seconds, clock)
    lease.start()
    try:
        yield lease
        lease.check()
    finally:
        lease.stop()


def _take(url: str, file: LockFile, note: Note, seconds: float) -> None:
    for _ in range(ROUNDS):
        seen = file.look()
        if seen is None:
            if file.create(note.content()):
                return
            continue
        other = Note.parse(seen.content)
        if seen.age <= seconds and not other.gone():
            raise InfrastructureError(
                f"another publisher is at work in {url} ({other.owner})",
                hint="wait until it is done, and call this again; if it was killed, its lock ends"
                f" in {max(seconds - seen.age, 0):.0f} s",
            )
        log.info("taking over the lock of a dead publisher in %s: %s", url, other.owner)
        if file.take_over(seen, note.content()):
            return
    raise InfrastructureError(
        f"other publishers want {url} at the same time", hint="call this again later"
    )


def _machine() -> str:
    """This start of this machine, and the namespace that process numbers belong to."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _start(pid: int) -> str:
    """When a process began, in ticks since the machine's start; empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # proc(5): the second field may have spaces and parentheses; then come the state, and as the
    # 22nd the start. What waits to be reaped runs no more.
    state, *others = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else others[18]


def same(one: bytes, other: bytes) -> bool:
    """Whether two notes are of one owner."""
    return one.partition(b"\n")[0] == other.partition(b"\n")[0] != b""
