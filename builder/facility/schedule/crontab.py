# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs as lines of the user's crontab, where there is no systemd: each between two comments.

What others wrote there is never touched.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from builder.errors import InfrastructureError, UsageError
from builder.facility.schedule.jobs import Job
from builder.facility.schedule.units import Call
from builder.run import needs, run

# systemd's short words, and a time of day, in cron's five fields.
WORDS: Final = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
}
TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
FIELDS: Final = re.compile(r"[0-9*/,-]+( [0-9A-Za-z*/,-]+){4}")
# cron's word for a crontab that is not there.
NONE: Final = "no crontab for"
PATIENCE: Final = 60.0


def fields(calendar: str) -> str:
    """A time in cron's fields; UsageError for what cron has no words for."""
    if calendar in WORDS:
        return WORDS[calendar]
    if found := TIME.fullmatch(calendar):
        return f"{int(found[2])} {int(found[1])} * * *"
    if FIELDS.fullmatch(calendar):
        return calendar
    raise UsageError(
        f"cron has no words for the time {calendar!r}",
        hint=f"write one of {', '.join(WORDS)}, a time such as 03:30, or cron's five fields",
    )


def block(call: Call, job: Job, when: str, delay: str) -> str:
    """The lines of a job."""
    more = ("--delay", delay, "--quiet")
    words = [f"{name}={value}" for name, value in call.environment.items()]
    command = shlex.join([*(["env", *words] if words else []), *call.argv(job, *more)])
    if "\n" in command:
        raise UsageError(f"{call.file} cannot stand in a crontab", hint="use another path")
    # Of a percent sign, cron makes the end of the command.
    line = command.replace("%", "\\%")
    return f"{_begin(call, job.name)}\n{when} {line}\n{_end(call, job.name)}\n"


def with_block(text: str, call: Call, job: str, new: str) -> str:
    """A crontab with other lines for a job, or with none; the rest stays as it is."""
    begin, end = _begin(call, job), _end(call, job)
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\n")
        if bare == begin:
            inside = True
        if not inside:
            kept.append(line)
        if bare == end:
            inside = False
    if inside:
        raise UsageError(
            f"the crontab has a line {begin!r} without its end", hint="mend it: crontab -e"
        )
    before = "".join(kept)
    if new and before and not before.endswith("\n"):
        before += "\n"
    return before + new


def blocks(text: str, call: Call) -> Iterator[tuple[str, str]]:
    """The jobs of a facility in a crontab, each with its time."""
    found = re.compile(
        rf"^{re.escape(_begin(call, ''))}(?P<job>[a-z-]+)\n(?P<when>\S+(?: \S+){{4}}) ",
        re.MULTILINE,
    )
    for each in found.finditer(text):
        yield each["job"], each["when"]


def install(call: Call, job: Job, when: str, delay: str) -> None:
    """Put a job into the user's crontab, in place of an older one."""
    old = read()
    new = with_block(old, call, job.name, block(call, job, when, delay))
    if new != old:
        _write(new)


def remove(call: Call, job: str) -> bool:
    """Take a job out of the user's crontab; whether it was there."""
    old = read()
    new = with_block(old, call, job, "")
    if new != old:
        _write(new)
    return new != old


@needs("crontab", package="cron", purpose="schedule jobs without systemd", optional=True)
def read() -> str:
    """The user's crontab; empty where there is none."""
    said: list[str] = []
    done = run(["crontab", "-l"], capture=True, check=False, timeout=PATIENCE, on_line=said.append)
    if done.returncode == 0:
        return done.output
    if any(NONE in line for line in said):
        return ""
    raise InfrastructureError("crontab -l failed", hint="\n".join(said))


@needs("crontab", package="cron", purpose="schedule jobs without systemd", optional=True)
def _write(text: str) -> None:
    done = run(["crontab", "-"], stdin=text, check=False, timeout=PATIENCE)
    if done.returncode != 0:
        raise InfrastructureError(
            "crontab did not take the new table", hint=done.output.strip() or "/etc/cron.allow?"
        )


def _begin(call: Call, job: str) -> str:
    return f"# fai-forge begins: {call.file} {job}"


def _end(call: Call, job: str) -> str:
    return f"# fai-forge ends: {call.file} {job}"
