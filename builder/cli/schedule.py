# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge schedule`: what a site does by itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from builder.cli import common, facilities, subverbs
from builder.errors import UsageError
from builder.facility import config
from builder.facility.schedule import crontab, jobs, outcomes, table, units
from builder.facility.schedule.table import Row
from builder.facility.schedule.units import Call

DESCRIPTION = """\
Let a facility do its work by itself: as timers of systemd, of the system (root) or of a user, or
where systemd does not run as lines of the user's crontab. Each run keeps others of its kind out,
writes a log (the last 20 stay) and says in a status file how it went.

examples:
  fai-forge schedule install
  fai-forge schedule install build --on-calendar 'Sat *-*-* 03:00:00'
  fai-forge schedule list
  fai-forge schedule remove
"""
INSTALL = """\
Install timers for jobs: sync and expire, if none is named. Installed again, a job has the new
times. Jobs start at random within the delay, so that sites do not all come at once, and make up for
what was missed while the machine was off (not by cron).

Where systemd runs, or with --user or --system, units are written; else lines of the crontab. A
user's timers run without a session only after `loginctl enable-linger`. The units read facility.env
beside facility.yaml, if there is one, for tokens that it names by variables; lines of a crontab do
not, so name tokens by files there.

examples:
  fai-forge schedule install
  fai-forge schedule install sync --on-calendar hourly --randomised-delay 20min
  fai-forge schedule install build check --user

exit codes: 0; 2 for a wrong job or time; 4 if the units cannot be written.
"""
LIST = """\
Say which jobs are scheduled, when each runs next, and how it went the last time.

exit code: 0
"""
REMOVE = """\
Take jobs out of the schedule: all of this facility, if none is named. Logs and status files stay.

exit code: 0, also if there was none
"""
RUN = """\
Run a job once, as the timers do: alone, with a log and a status file. The exit code is that of the
first command that failed.

examples:
  fai-forge schedule run sync
"""
HEADINGS = ("JOB", "BY", "WHEN", "NEXT", "LAST", "OUTCOME")


def _choose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"any of {', '.join(jobs.JOBS)}")


def _where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="units of the user's own systemd")
    where.add_argument("--system", action="store_true", help="units of the system; root's")


def _install_arguments(parser: argparse.ArgumentParser) -> None:
    _choose(parser)
    _where(parser)
    parser.add_argument(
        "--on-calendar", metavar="WHEN", help="as systemd.time(7) tells (default: by the job)"
    )
    parser.add_argument(
        "--randomised-delay",
        metavar="SPAN",
        help="the longest random delay: 90s, 30min, 2h (default: by the job)",
    )
    facilities.add_facility(parser)
    common.add_json(parser)


def _install(arguments: argparse.Namespace) -> int:
    call, chosen = _call_of(arguments), [jobs.find(n) for n in arguments.jobs or jobs.DEFAULT]
    rows = []
    for job in chosen:
        delay = arguments.randomised_delay or job.delay
        jobs.seconds(delay)
        rows.append(_installed(call, job, arguments, delay))
    if arguments.json:
        common.print_json(rows)
    else:
        for row in rows:
            print(row["text"])
    return 0


def _installed(
    call: Call, job: jobs.Job, arguments: argparse.Namespace, delay: str
) -> dict[str, object]:
    place = table.place(user=arguments.user, system=arguments.system)
    if place is None:
        when = crontab.fields(arguments.on_calendar) if arguments.on_calendar else job.cron
        crontab.install(call, job, when, delay)
        text = f"{job.name}: {when} in the crontab, up to {delay} later"
        return {"job": job.name, "by": "cron", "when": when, "delay": delay, "text": text}
    when = arguments.on_calendar or job.calendar
    files, running = units.install(call, place, job, calendar=when, delay=delay)
    text = f"{job.name}: {when}, up to {delay} later, by {files[-1]}"
    if not running:
        text += "\n    systemd does not run here: the timer starts with it, once it is enabled"
    return {
        "job": job.name,
        "by": "systemd",
        "when": when,
        "delay": delay,
        "files": files,
        "running": running,
        "text": text,
    }


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    facilities.add_facility(parser)
    common.add_json(parser)


def _list(arguments: argparse.Namespace) -> int:
    site, call = facilities.site(arguments), _call_of(arguments)
    rows = table.rows(site, call)
    if arguments.json:
        common.print_json(
            [
                {
                    "job": row.job,
                    "by": row.by,
                    "when": row.when,
                    "next": row.next.isoformat() if row.next else None,
                    "state": row.state,
                    "last": row.last.model_dump(mode="json", by_alias=True) if row.last else None,
                }
                for row in rows
            ]
        )
    else:
        print("\n".join(lines(rows)))
    return 0


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table of what is scheduled, and the logs of what failed."""
    if not rows:
        yield "nothing is scheduled; fai-forge schedule install does that"
        return
    yield from common.table(HEADINGS, [_cells(row) for row in rows])
    for row in rows:
        if row.last and row.last.exit_code:
            yield f"{row.job}: {row.last.error}"
            yield f"    {row.last.log}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.job,
        row.by,
        row.when,
        _time(row.next) if row.next else "-",
        _time(row.last.started) if row.last else "never",
        row.state,
    )


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    _choose(parser)
    facilities.add_facility(parser)
    common.add_json(parser)


def _remove(arguments: argparse.Namespace) -> int:
    call = _call_of(arguments)
    for name in arguments.jobs:
        jobs.find(name)
    gone = table.remove(call, arguments.jobs)
    if arguments.json:
        common.print_json(gone)
    else:
        print(f"removed: {', '.join(gone)}" if gone else "nothing was scheduled")
    return 0


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help=f"one of {', '.join(jobs.JOBS)}")
    parser.add_argument(
        "--delay", default="", metavar="SPAN", help="wait before, at random, at most so long"
    )
    parser.add_argument("--quiet", action="store_true", help="write what it says to the log only")
    facilities.add_facility(parser)


def _run(arguments: argparse.Namespace) -> int:
    job, site = jobs.find(arguments.job), facilities.site(arguments)
    done = outcomes.run_job(
        site,
        _file(arguments),
        job,
        delay=jobs.seconds(arguments.delay) if arguments.delay else 0,
        quiet=arguments.quiet,
    )
    if done.exit_code and arguments.quiet:
        # cron sends that to the user.
        print(f"fai-forge: {job.name} failed: {done.error}\n    {done.log}", file=sys.stderr)
    return done.exit_code or 0


def _call_of(arguments: argparse.Namespace) -> Call:
    """How jobs of the facility are called; the file must be right."""
    return Call.here(facilities.site(arguments).facility.name, _file(arguments))


def _file(arguments: argparse.Namespace) -> Path:
    file = config.find(arguments.facility).absolute()
    if "\n" in str(file):
        raise UsageError("the path of facility.yaml has two lines", hint="move it")
    return file


VERBS = (
    common.Verb("install", "install timers", INSTALL, _install_arguments, _install),
    common.Verb("list", "say when jobs run, and how they went", LIST, _list_arguments, _list),
    common.Verb("remove", "remove timers", REMOVE, _remove_arguments, _remove),
    common.Verb("run", "run a job once, as timers do", RUN, _run_arguments, _run),
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    subverbs.add(parser, VERBS)


VERB = common.Verb("schedule", "let a site work by itself", DESCRIPTION, _arguments, subverbs.call)
