# SPDX-License-Identifier: GPL-2.0-or-later
"""`run()`, the only way out to another program, and the list of programs that we call.

No shell ever sees a string: a command is a list of arguments, with stdin closed (or given), an
explicit environment and a time limit. What it prints goes line by line to the log and, where
asked for, to a callback that feeds a progress bar.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

from builder.errors import BuildError, InfrastructureError
from builder.running import RUNNING, end

log = logging.getLogger(__name__)

# Enough of a failing command's output to see why, short enough to read in a terminal.
TAIL_LINES = 15
DEFAULT_TIMEOUT = 3600.0
# What a child may inherit: where programs are and how to reach the network, nothing else.
INHERITED = ("PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "XDG_RUNTIME_DIR")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Completed:
    """A command that ended: `output` is its stdout when captured, else the end of all it said."""

    argv: tuple[str, ...]
    returncode: int
    output: str


class CommandError(BuildError):
    """A program failed; the message holds the command as it can be pasted into a shell."""

    def __init__(self, done: Completed, why: str = "") -> None:
        what = why or f"exit code {done.returncode}"
        message = f"{done.argv[0]} failed ({what}): {shlex.join(done.argv)}"
        super().__init__(message, hint=done.output.strip())
        self.done = done


@dataclass(frozen=True)
class Tool:
    """A program of the host that fai-forge calls, and the Debian package that has it.

    An `optional` one is for something that most machines need not do.
    """

    name: str
    package: str
    purpose: str
    optional: bool = False

    def path(self) -> str | None:
        """Where the program is, or None. Administrators' folders count, also for plain users."""
        return shutil.which(self.name, path=search_path())


TOOLS: dict[str, Tool] = {}

P = ParamSpec("P")
R = TypeVar("R")


def needs(
    name: str, *, package: str, purpose: str, optional: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare that a function calls the host's program `name`; `fai-forge doctor` lists them all.

    The decorated function raises InfrastructureError, with the package to install, where the
    program is missing.
    """
    tool = TOOLS.setdefault(name, Tool(name, package, purpose, optional))

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if tool.path() is None:
                raise InfrastructureError(
                    f"the program {name} is not installed; it is needed to {purpose}",
                    hint=f"apt-get install {package}",
                )
            return function(*args, **kwargs)

        return wrapper

    return decorate


def search_path() -> str:
    """PATH, completed by the administrators' folders that a plain user's PATH lacks."""
    own = os.environ.get("PATH", "").split(":")
    return ":".join(dict.fromkeys([*filter(None, own), *SYSTEM_PATH.split(":")]))


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: a few inherited values, a fixed locale and time zone, `extra`."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= {"PATH": search_path(), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return env | dict(extra or {})


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    capture: bool = False,
    check: bool = True,
    stdin: str | None = None,
    log_to: IO[str] | None = None,
    on_line: Callable[[str], None] | None = None,
    grace: float = 0.0,
) -> Completed:
    """Run a program to its end and return what it said.

    `env` adds to `environment()`; `timeout` is in seconds. With `capture`, stdout is returned whole
    and stderr goes to the log; without, both go to the log (`log_to`, else debug logging) and to
    `on_line`, and the last lines are returned. A program that fails raises CommandError unless
    `check` is off; one that is missing raises InfrastructureError. However this function is left,
    the program and its process group have ended: they are killed, `grace` seconds after a SIGTERM
    if the program has to clean up by itself.
    """
    words = tuple(str(word) for word in argv)
    log.debug("run: %s", shlex.join(words))
    try:
        process = RUNNING.start(
            grace,
            words,
            env=environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if capture else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise InfrastructureError(
            f"the program {words[0]} is not installed", hint="fai-forge doctor names its package"
        ) from error

    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def consume(stream: IO[str]) -> None:
        for line in stream:
            tail.append(line)
            if log_to is not None:
                log_to.write(line)
            else:
                log.debug("%s: %s", words[0], line.rstrip())
            if on_line is not None:
                on_line(line.rstrip("\n"))

    expired = threading.Event()

    def expire() -> None:
        expired.set()
        end(process, grace)

    timer = threading.Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        captured = _talk(process, stdin, consume, capture)
        returncode = process.wait()
    except BaseException:
        end(process, grace)
        process.wait()
        raise
    finally:
        timer.cancel()
        RUNNING.ended(process)

    done = Completed(words, returncode, captured if capture else "".join(tail))
    if expired.is_set():
        raise CommandError(
            Completed(words, returncode, "".join(tail)), f"no end after {timeout:.0f} s"
        )
    if check and returncode != 0:
        raise CommandError(Completed(words, returncode, "".join(tail) or captured))
    return done


def foreground(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
    terminal: bool = False,
) -> int:
    """Run a program on our own terminal and return its exit code.

    For programs that draw on the terminal themselves. They get their own process group; the signals
    that end us are passed on to it once, and we wait for it. A program that a person types to
    (`terminal`) stays in our group, since only that one may read: the terminal then sends Ctrl-C to
    both. `env` is the whole environment, ours where it is not given; with `quiet`, stdout is
    dropped.
    """
    words = [str(word) for word in argv]
    log.debug("run in the foreground: %s", shlex.join(words))
    stdout = subprocess.DEVNULL if quiet else None
    group = None if terminal else 0
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(signum: int, _frame: object) -> None:
        if process is None:
            early.append(signum)
            return
        with contextlib.suppress(ProcessLookupError):
            if terminal:
                process.send_signal(signum)
            else:
                os.killpg(process.pid, signum)

    # Before the program starts: a signal that came in between would end us and not the program.
    ours = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {signum: signal.signal(signum, forward) for signum in ours}
    try:
        process = subprocess.Popen(words, env=env, stdout=stdout, process_group=group)
        with process:
            for signum in early:
                forward(signum, None)
            return process.wait()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _talk(
    process: subprocess.Popen[str],
    stdin: str | None,
    consume: Callable[[IO[str]], None],
    capture: bool,
) -> str:
    """Feed stdin and read the program's output to its end; return stdout where it is captured."""
    helpers: list[threading.Thread] = []

    def start(target: Callable[..., Any], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        helpers.append(thread)

    if stdin is not None:
        start(_feed, process, stdin)
    assert process.stdout is not None
    if capture:
        start(consume, process.stderr)
        captured = process.stdout.read()
    else:
        consume(process.stdout)
        captured = ""
    for thread in helpers:
        thread.join()
    return captured


def _feed(process: subprocess.Popen[str], text: str) -> None:
    """Write `text` to the program's stdin; a program that stops reading is no error of ours."""
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pipe.write(text)
    except BrokenPipeError:
        pass
