# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs as systemd's units: a service and a timer each, of the user or of the system."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder import paths, templates
from builder.errors import InfrastructureError, UsageError
from builder.facility.schedule import jobs
from builder.facility.schedule.jobs import Job
from builder.run import CommandError, Tool, needs, run
from builder.store.keys import HOME_VARIABLE

SYSTEM: Final = Path("/etc/systemd/system")
# Only there where systemd runs; sd_booted(3).
RUNNING: Final = Path("/run/systemd/system")
MARK: Final = "# Of fai-forge, for "
# What the program finds its files by; secrets are not among them.
VARIABLES: Final = (
    paths.PROJECT_VARIABLE,
    paths.CACHE_VARIABLE,
    paths.STATE_VARIABLE,
    HOME_VARIABLE,
)
PATIENCE: Final = 60.0


@dataclass(frozen=True)
class Call:
    """How a job is called: the program, the facility's file, and where the program's files are."""

    facility: str
    file: Path
    program: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def here(cls, facility: str, file: Path) -> Call:
        """As this process was called."""
        found = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
        if path := jobs.needs_path():
            found["PYTHONPATH"] = path
        return cls(facility, file.absolute(), jobs.program(), found)

    def argv(self, job: Job, *more: str) -> tuple[str, ...]:
        """The words that run a job."""
        words = ("schedule", "run", job.name, "--facility", str(self.file))
        return (*self.program, *words, *more)

    def unit(self, job: str) -> str:
        """The name of a job's units, without their suffix."""
        return f"{jobs.PROGRAM}-{self.facility}-{job}"


@dataclass(frozen=True)
class Place:
    """Where units are: those of the user, or the system's own."""

    folder: Path
    user: bool

    @classmethod
    def of(cls, *, user: bool) -> Place:
        """The folder that systemd reads what administrators and users write in."""
        if not user:
            return cls(SYSTEM, user=False)
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return cls(Path(home, "systemd", "user"), user=True)


def is_running() -> bool:
    """Whether systemd runs this machine."""
    return RUNNING.is_dir()


def rendered(
    call: Call, job: Job, *, calendar: str, delay: str, user: bool
) -> tuple[tuple[str, str], ...]:
    """The units of a job: names and texts."""
    environment = templates.plain(Path(__file__).parent)
    environment.filters |= {"value": quoted, "word": lambda text: quoted(text.replace("$", "$$"))}
    known = {
        "mark": MARK,
        "call": call,
        "job": job,
        "argv": call.argv(job),
        "calendar": calendar,
        "delay": delay,
        "user": user,
        "unit": call.unit(job.name),
        "secrets": call.file.with_suffix(".env"),
    }
    return tuple(
        (
            f"{call.unit(job.name)}.{kind}",
            environment.get_template(f"{kind}.j2").render(known),
        )
        for kind in ("service", "timer")
    )


def quoted(text: str) -> str:
    """A word of a unit file: no specifier, no end of line; systemd.unit(5) says how.

    Only in command lines a $ means something, and is written twice.
    """
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise UsageError(f"{text!r} cannot stand in a unit", hint="use a path without such letters")
    plain = text.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return plain if re.fullmatch(r"[A-Za-z0-9%$@/._:=+-]+", plain) else f'"{plain}"'


def install(
    call: Call, place: Place, job: Job, *, calendar: str, delay: str
) -> tuple[tuple[Path, ...], bool]:
    """Write a job's units, and start the timer where systemd runs; the files, and whether it runs.

    Raises UsageError where files of others have these names, or the calendar is none.
    """
    check_calendar(calendar)
    written = []
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        units = rendered(call, job, calendar=calendar, delay=delay, user=place.user)
        for name, _ in units:
            _refuse_others(call, place.folder / name)
            written.append(place.folder / name)
        for path, (_, text) in zip(written, units, strict=True):
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            f"{place.folder}: {error.strerror}",
            hint="units of the system are root's; --user writes those of a user",
        ) from error
    if is_running():
        _systemctl(place, "daemon-reload")
        _systemctl(place, "enable", "--now", f"{call.unit(job.name)}.timer")
    return tuple(written), is_running()


def remove(call: Call, place: Place, job: str) -> tuple[Path, ...]:
    """Stop a job's timer and remove its units; the files that were there."""
    found = [place.folder / f"{call.unit(job)}.{kind}" for kind in ("service", "timer")]
    there = [path for path in found if path.exists()]
    for path in there:
        _refuse_others(call, path)
    if there and is_running():
        _systemctl(place, "disable", "--now", f"{call.unit(job)}.timer")
    try:
        for path in there:
            path.unlink()
    except OSError as error:
        raise InfrastructureError(
            f"{error.filename}: {error.strerror}", hint="units of the system are root's"
        ) from error
    if there and is_running():
        _systemctl(place, "daemon-reload")
    return tuple(there)


def installed(call: Call, place: Place) -> tuple[str, ...]:
    """The jobs of this facility that have units here."""
    start, end = call.unit(""), ".timer"
    names = (path.name for path in place.folder.glob(f"{start}*{end}"))
    found = (name[len(start) : -len(end)] for name in names)
    return tuple(
        sorted(job for job in found if _is_ours(call, place.folder / f"{start}{job}{end}"))
    )


def calendar_of(call: Call, place: Place, job: str) -> str:
    """When a job's timer is to elapse, as its unit says."""
    text = (place.folder / f"{call.unit(job)}.timer").read_text(encoding="utf-8")
    found = re.search(r"^OnCalendar=(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


@needs(
    "systemctl", package="systemd", purpose="schedule what a facility does by itself", optional=True
)
def _systemctl(place: Place, *words: str) -> str:
    user = ("--user",) if place.user else ()
    try:
        return run(["systemctl", *user, *words], env=_bus(), capture=True, timeout=PATIENCE).output
    except CommandError as error:
        raise InfrastructureError(
            f"systemctl {' '.join((*user, *words))} failed",
            hint=error.hint or "systemctl status says more; a user needs a session of systemd's",
        ) from error


def next_runs(place: Place, units: Sequence[str]) -> Mapping[str, int]:
    """When timers elapse next, in microseconds since 1970; nothing where systemd does not run."""
    if not is_running() or not units:
        return {}
    timers = [f"{unit}.timer" for unit in units]
    return parse_timers(_systemctl(place, "list-timers", "--all", "--output=json", *timers))


def parse_timers(text: str) -> Mapping[str, int]:
    """Unit names (without .timer) and times out of what `systemctl list-timers` prints as JSON."""
    try:
        told = json.loads(text or "[]")
        return {
            str(each["unit"]).removesuffix(".timer"): int(each["next"])
            for each in told
            if each.get("next")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def check_calendar(calendar: str) -> None:
    """Raise UsageError for what systemd does not understand; nothing is said where it is absent."""
    if re.search(r"[\x00-\x1f\x7f]", calendar) or not calendar.strip():
        raise UsageError(f"{calendar!r} is no time", hint="write daily, or *-*-* 03:30:00")
    if Tool("systemd-analyze", "systemd", "").path() is None:
        return
    argv = ["systemd-analyze", "calendar", "--", calendar]
    if run(argv, check=False, timeout=PATIENCE).returncode != 0:
        raise UsageError(
            f"systemd does not understand the time {calendar!r}",
            hint="write daily, Mon *-*-* 03:30:00, or what systemd.time(7) tells",
        )


def _bus() -> dict[str, str]:
    """Where a user's own systemd listens."""
    name = "DBUS_SESSION_BUS_ADDRESS"
    return {name: os.environ[name]} if name in os.environ else {}


def _is_ours(call: Call, path: Path) -> bool:
    try:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return False
    return first == f"{MARK}{call.file}"


def _refuse_others(call: Call, path: Path) -> None:
    if path.exists() and not _is_ours(call, path):
        raise UsageError(
            f"{path} is there, and is not about {call.file}",
            hint="two facilities of one name are one too many on a machine; rename one of them",
        )
