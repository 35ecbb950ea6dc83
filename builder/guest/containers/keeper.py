# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one container, and take away all of it however its owner ends: a program, not a library.

    python -m builder.guest.containers.keeper PLAN

The owner holds a lock on a file for as long as the container is wanted. The kernel releases the
lock when the owner dies, also by SIGKILL; then the keeper kills the container, and removes its
control group, its tree and its folder. If the keeper itself is killed, the container ends with it
(prctl(2), PR_SET_PDEATHSIG). It stands outside of `builder.run`, since it outlives its caller.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from builder.errors import ForgeError
from builder.guest.containers import cgroup
from builder.rundir import KEEP, sweep

# Exit codes of our own; the others are those of the program that started the container.
UNABLE, NOT_UNPACKED = 75, 76
# A program that is ended together with us.
BOUND = ("setpriv", "--pdeathsig", "KILL", "--")
NETWORK_SECONDS = 20.0
TURN_SECONDS = 0.05


@dataclass(frozen=True)
class Plan:
    """What to do: commands to `prepare` the tree, one to `start` the container, one to `clean` up.

    `lock` is the file that the owner locks, `name` that of the control group, `folder` the run's.
    A user network is connected to the namespaces as `interface`, unless that is empty.
    """

    lock: str
    name: str
    folder: str
    prepare: Sequence[Sequence[str]]
    start: Sequence[str]
    clean: Sequence[str]
    interface: str = ""

    def text(self) -> str:
        """The plan as an argument."""
        return json.dumps(asdict(self))


def read(text: str) -> Plan:
    """The plan of `Plan.text`."""
    return Plan(**json.loads(text))


class Owner:
    """Who wants the container; its death, or that it lets go of the lock, ends what we run."""

    def __init__(self, lock: Path) -> None:
        self._file = lock.open("r")
        self._mutex = threading.Lock()
        # Before anything is started: who only cleans up has no owner, and the thread may be late.
        self._gone = self._is_gone()
        self._processes: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._follow, daemon=True).start()

    def _is_gone(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _follow(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_SH)
        with self._mutex:
            self._gone = True
            for process in self._processes:
                process.kill()

    def start(
        self,
        argv: Sequence[str],
        enter: Callable[[], None] | None = None,
        told: IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program that ends with the owner; `enter` is called in it before.

        What it says goes to `told`, or to where our own words go.
        """
        with self._mutex:
            if self._gone:
                raise SystemExit(UNABLE)
            process = subprocess.Popen(
                [*BOUND, *argv],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                preexec_fn=enter,
            )
            self._processes.append(process)
        return process


def main(argv: list[str]) -> int:
    """Do what the plan says, and clean up; return an exit code."""
    plan = read(argv[0])
    signal.signal(signal.SIGTERM, _leave)
    owner = Owner(Path(plan.lock))
    try:
        for words in plan.prepare:
            if owner.start(words).wait():
                return NOT_UNPACKED
        return _contain(plan, owner)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not Path(plan.folder, KEEP).exists():
            subprocess.run(plan.clean, stdin=subprocess.DEVNULL, check=False)
        # If our owner was killed, nobody else would remove its folder before the next run.
        with contextlib.suppress(ForgeError, OSError):
            sweep(Path(plan.folder).parent)


def _contain(plan: Plan, owner: Owner) -> int:
    """Run the container in a control group of its own; return its program's exit code."""
    try:
        group = cgroup.make(plan.name)
    except OSError as error:
        _say(f"there is no control group of version 2 that we may write to: {error}")
        return UNABLE
    process = network = None
    told = Path(plan.folder, "network.log")

    def enter() -> None:
        cgroup.join(group)

    try:
        process = owner.start(plan.start, enter)
        if not plan.interface:
            return process.wait()
        words = _network(process, plan.interface)
        with told.open("wb") as file:
            network = owner.start(words, enter, file)
        while process.poll() is None and network.poll() is None:
            time.sleep(TURN_SECONDS)
        if process.poll() is None:
            _say(f"the network ended: {told.read_text(errors='replace').strip()}")
            return UNABLE
        return process.returncode
    finally:
        for each in (process, network):
            if each is not None:
                each.kill()
                each.wait()
        cgroup.remove(group)


def _network(process: subprocess.Popen[bytes], interface: str) -> list[str]:
    """The command of a user network for a process, as soon as that has namespaces of its own."""
    space = Path(f"/proc/{process.pid}")
    ours = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + NETWORK_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            apart = (space / "ns/net").readlink() != ours
            if apart and (space / "uid_map").read_text(encoding="ascii").strip():
                break
        time.sleep(TURN_SECONDS)
    words = ["slirp4netns", "--enable-ipv6", "--netns-type=path"]
    return [*words, f"--userns-path={space}/ns/user", f"{space}/ns/net", interface]


def _say(what: str) -> None:
    """Tell our owner, if there still is one."""
    with contextlib.suppress(OSError):
        print(what, flush=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Unwind, so that everything is taken away."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
