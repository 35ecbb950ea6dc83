# SPDX-License-Identifier: GPL-2.0-or-later
"""A scheduled job, run: alone, with a log of its own, and a status file that says how it went."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, Literal

from pydantic import ValidationError

from builder.errors import ForgeError, InfrastructureError
from builder.facility.locks import alone
from builder.facility.schedule.jobs import Command, Job
from builder.facility.site import Site
from builder.manifest.parts import API_VERSION, Part, Time
from builder.run import CommandError, run

KIND: Final = "ScheduledRun"
# How many logs of a job stay.
KEPT: Final = 20
# Seconds; a build of several images under emulation takes hours.
PATIENCE: Final = 24 * 3600.0
# Seconds between a SIGTERM and a SIGKILL.
GRACE: Final = 30.0
# How our own errors begin.
ERROR: Final = "fai-forge: "
TELLS: Final = "[schedule] "


class Outcome(Part):
    """How a run went; `ended` and `exit_code` are null while it runs, or when it was killed."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["ScheduledRun"] = KIND
    job: str
    started: Time
    ended: Time | None = None
    exit_code: int | None = None
    error: str = ""
    """The last line that says what went wrong."""
    log: str
    """The log's path."""


# Runs a command of fai-forge and hands on each line that it prints; returns its exit code.
Runner = Callable[[Command, Callable[[str], None]], int]


def run_job(
    site: Site,
    file: Path,
    job: Job,
    *,
    delay: int = 0,
    quiet: bool = False,
    runner: Runner | None = None,
) -> Outcome:
    """Run a job once; all its commands, also after one that failed.

    `delay` is in seconds, the longest one. Raises InfrastructureError where the job runs already.
    """
    if delay:
        # Not for secrets: sites must only not come all at once.
        time.sleep(random.uniform(0, delay))  # noqa: S311
    folder = _folder(site)
    with alone(folder, job.name):
        started = datetime.now(UTC).replace(microsecond=0)
        log = folder / f"{job.name}-{started:%Y%m%dT%H%M%SZ}.log"
        outcome = Outcome(job=job.name, started=started, log=str(log))
        _write(site, outcome)
        with _opened(log) as stream:
            tell = _teller(stream, quiet=quiet)
            try:
                code, error = _run_all(job.commands(site, file), tell, runner or _run)
            except ForgeError as problem:
                code, error = problem.exit_code, problem.message
                tell(f"{ERROR}{problem.message}")
            except BaseException:
                _write(site, _ended(outcome, 130, "interrupted"))
                raise
        outcome = _ended(outcome, code, error)
        _write(site, outcome)
        _rotate(folder, job.name)
        return outcome


def last(site: Site, job: str) -> Outcome | None:
    """How a job went the last time; None where it never ran, or nobody can read that."""
    try:
        return Outcome.model_validate_json(_file(site, job).read_bytes())
    except (OSError, ValidationError):
        return None


def is_running(site: Site, job: str) -> bool:
    """Whether a job runs at this moment."""
    try:
        with alone(_folder(site), job):
            return False
    except InfrastructureError:
        return True


class _Ear:
    """Hears what a command says, and remembers what went wrong by its words."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._error = self._last = ""

    def hear(self, line: str) -> None:
        """A line that was printed."""
        self._tell(line)
        if line.startswith(ERROR):
            self._error = line.removeprefix(ERROR)
        elif line.strip():
            self._last = line.strip()

    @property
    def error(self) -> str:
        """The last error; the last line of a command that ended without one."""
        return self._error or self._last


def _run_all(
    commands: Sequence[Command], tell: Callable[[str], None], runner: Runner
) -> tuple[int, str]:
    """The first exit code that is not 0, and the last error."""
    code, error = 0, ""
    if not commands:
        tell(f"{TELLS}there is nothing to do")
    for command in commands:
        ear = _Ear(tell)
        tell(f"{TELLS}fai-forge {' '.join(command)}")
        ended = runner(command, ear.hear)
        tell(f"{TELLS}exit code {ended}")
        if ended != 0:
            code, error = code or ended, ear.error or f"exit code {ended}"
    return code, error


def _run(command: Command, hear: Callable[[str], None]) -> int:
    argv = [sys.executable, "-m", "builder", *command]
    # All of ours: a build or a remote may need any of it.
    environment = dict(os.environ)
    try:
        done = run(argv, env=environment, timeout=PATIENCE, check=False, on_line=hear, grace=GRACE)
    except CommandError as error:
        hear(f"{ERROR}{error.message}")
        return InfrastructureError.exit_code
    return done.returncode


def _ended(outcome: Outcome, code: int, error: str) -> Outcome:
    now = datetime.now(UTC).replace(microsecond=0)
    return outcome.model_copy(update={"ended": now, "exit_code": code, "error": error})


def _teller(stream: IO[str], *, quiet: bool) -> Callable[[str], None]:
    def tell(line: str) -> None:
        stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        # A full disk is told of by the job itself.
        with contextlib.suppress(OSError):
            stream.write(f"{stamp} {line}\n")
            stream.flush()
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    return tell


def _folder(site: Site) -> Path:
    return site.state / "schedule"


def _file(site: Site, job: str) -> Path:
    return _folder(site) / f"{job}.json"


def _opened(log: Path) -> IO[str]:
    try:
        return log.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise InfrastructureError(
            f"{log}: {error.strerror}", hint="logs are kept there; make room, or make it writable"
        ) from error


def _write(site: Site, outcome: Outcome) -> None:
    file = _file(site, outcome.job)
    partial = file.with_suffix(".partial")
    try:
        partial.write_text(outcome.model_dump_json(by_alias=True, indent=2) + "\n")
        partial.replace(file)
    except OSError as error:
        raise InfrastructureError(
            f"{file}: {error.strerror}", hint="the status is kept there; make it writable"
        ) from error


def _rotate(folder: Path, job: str) -> None:
    logs = sorted(folder.glob(f"{job}-*.log"))
    for old in logs[:-KEPT]:
        old.unlink(missing_ok=True)
