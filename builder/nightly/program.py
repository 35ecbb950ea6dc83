# SPDX-License-Identifier: GPL-2.0-or-later
"""A step as a program of its own, which ends with us, and is tried twice where that may help."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.nightly.chain import Step
from builder.nightly.exits import INFRASTRUCTURE
from builder.run import TAIL_LINES, CommandError, needs, run

# Seconds. Each part of a step has a shorter limit of its own; this is for what nobody foresaw.
LONGEST: Final = 12 * 3600.0
# A build takes its sandbox down within a moment; a boot takes its guest down.
GRACE: Final = 60.0
# A mirror that is being updated, or a lock of somebody who was just killed, is well after that.
PAUSE: Final = 60.0
TRIES: Final = 2
# How the command line begins the line that says what is wrong.
ERROR: Final = "fai-forge: "


@dataclass(frozen=True)
class Ended:
    """A step that ended: its exit code, and what it said.

    `reason` is its error, or else its last line; `end` are its last lines.
    """

    code: int
    reason: str = ""
    end: tuple[str, ...] = ()


# Runs a step to its end; all that it says goes into the log, and line by line to the callback.
Runs = Callable[[Step, Path, Callable[[str], None]], Ended]


@dataclass(frozen=True)
class Tried:
    """A step with its tries, and how long all of them took, in seconds."""

    last: Ended
    tries: int
    seconds: float


@needs("setpriv", package="util-linux", purpose="end the steps of a nightly together with it")
def as_program(step: Step, log: Path, say: Callable[[str], None]) -> Ended:
    """Run a step as a person would; it is asked to end when we are, however that happens."""
    end: deque[str] = deque(maxlen=TAIL_LINES)
    errors: deque[str] = deque(maxlen=1)

    def hear(line: str) -> None:
        end.append(line)
        if line.startswith(ERROR):
            errors.append(line.removeprefix(ERROR))
        say(line)

    # A thread waits for the program until it ends, so "the parent" is gone only if we all are.
    follow = ("setpriv", "--pdeathsig", "TERM")
    argv = [*follow, sys.executable, "-m", "builder", *step.words]
    with log.open("a", encoding="utf-8", buffering=1) as file:
        try:
            done = run(
                argv,
                # As it is for a person who calls it: keys, credentials, and the CI's variables.
                env=os.environ,
                timeout=LONGEST,
                check=False,
                log_to=file,
                on_line=hear,
                grace=GRACE,
            )
        except CommandError as error:
            return Ended(error.done.returncode, error.message, tuple(end))
    return Ended(done.returncode, _reason(errors, end), tuple(end))


def tried(runs: Runs, step: Step, log: Path, say: Callable[[str], None], pause: float) -> Tried:
    """Run a step, and once more after a pause (seconds) if the infrastructure failed it."""
    begin = time.monotonic()
    number = 1
    while True:
        ended = runs(step, log, say)
        if ended.code != INFRASTRUCTURE or number == TRIES:
            return Tried(ended, number, round(time.monotonic() - begin, 1))
        say(f"{ended.reason}; trying again in {pause:.0f} s")
        number += 1
        if pause:
            # A program, since an interrupt ends what `run` waits for.
            run(["sleep", f"{pause:.0f}"], timeout=pause + GRACE, check=False)


def _reason(errors: deque[str], end: deque[str]) -> str:
    said = [line.strip() for line in end if line.strip()]
    return errors[-1] if errors else (said[-1] if said else "")
