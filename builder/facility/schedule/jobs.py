# SPDX-License-Identifier: GPL-2.0-or-later
"""The jobs that can be scheduled: one row each, with the commands that it runs and how often."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder import names, paths
from builder.errors import UsageError
from builder.facility.config import CUSTOM
from builder.facility.site import Site
from builder.manifest.imported import Imported
from builder.store import reading

PROGRAM: Final = "fai-forge"
# What a pattern is that all names fit.
EVERYTHING: Final = "*"
SPAN: Final = re.compile(r"([0-9]{1,5})(s|min|h|d)")
SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}

# The words behind `fai-forge`.
Command = tuple[str, ...]
# What a job runs, by the site and its file.
Commands = Callable[[Site, Path], Sequence[Command]]


@dataclass(frozen=True)
class Job:
    """One job. `calendar` is what systemd calls OnCalendar, `cron` the same for cron.

    `delay` is the longest random delay: sites that sync from one server must not all come at once.
    `builds` says that it needs user namespaces and programs with the setuid bit (newuidmap), which
    most of systemd's hardening forbids.
    """

    name: str
    summary: str
    calendar: str
    cron: str
    delay: str
    commands: Commands
    builds: bool = False


def built_here(site: Site) -> tuple[str, ...]:
    """The series that this site builds itself: the newest custom build is one of fai-forge's."""
    index, found = site.store.index(), []
    for entry in index.series if index else ():
        newest = reading.newest(entry, CUSTOM)
        if newest is not None:
            manifest = reading.described(site.store.place, entry.name, newest)
            if not isinstance(manifest, Imported):
                found.append(entry.name)
    return tuple(found)


def _always(*words: str) -> Commands:
    return lambda _site, file: ((*words, "--facility", str(file)),)


def _builds(site: Site, file: Path) -> Sequence[Command]:
    """Build all, and clear away what is in the store by then."""
    out = ("--out", str(site.incoming / "built"))
    builds = [
        ("build", name, "--upload", "--facility", str(file), *out) for name in built_here(site)
    ]
    return [*builds, ("clean", "--old", *out)] if builds else ()


def _upstream(site: Site, _file: Path) -> Sequence[Command]:
    """Bring in the newest of the upstreams' images that the site wants, in its own store."""
    wanted = site.facility.upstreams
    if wanted is None:
        return ()
    which = ("--all",) if wanted.images == (EVERYTHING,) else wanted.images
    store = ("--to", str(site.store.place.root), "--key", site.facility.store.key)
    folders = [word for each in wanted.folders for word in ("--upstreams", str(site.path(each)))]
    return (("upstream", "pull", *which, *store, *folders),)


JOBS: Final[Mapping[str, Job]] = {
    job.name: job
    for job in (
        Job(
            "sync",
            "take in what the remotes have of the series that are kept here",
            "*-*-* 02:00:00",
            "0 2 * * *",
            "2h",
            _always("sync"),
        ),
        Job(
            "build",
            "build anew, and upload, each series that this site builds itself",
            "Sun *-*-* 01:00:00",
            "0 1 * * 0",
            "1h",
            _builds,
            builds=True,
        ),
        Job(
            "upstream",
            "take in the newest of the upstreams' images that are wanted here",
            "*-*-* 03:00:00",
            "0 3 * * *",
            "2h",
            _upstream,
        ),
        Job(
            "expire",
            "remove what need not be kept, and what the quota has no room for",
            "*-*-* 05:00:00",
            "0 5 * * *",
            "30min",
            _always("facility", "expire"),
        ),
        Job(
            "check",
            "look at all of the facility",
            "Mon *-*-* 07:00:00",
            "0 7 * * 1",
            "30min",
            _always("facility", "check"),
        ),
    )
}
# What `schedule install` installs when nobody says which jobs.
DEFAULT: Final = ("sync", "expire")


def find(name: str) -> Job:
    """A job by its name; UsageError for an unknown one."""
    if name not in JOBS:
        raise UsageError(
            f"there is no job {name}{names.did_you_mean(name, JOBS)}",
            hint=f"there are: {', '.join(JOBS)}",
        )
    return JOBS[name]


def seconds(span: str) -> int:
    """A span such as 90s, 30min, 2h or 1d in seconds; UsageError for others."""
    found = SPAN.fullmatch(span)
    if found is None:
        raise UsageError(f"{span!r} is no span of time", hint="write 90s, 30min, 2h or 1d")
    return int(found[1]) * SECONDS[found[2]]


def program() -> tuple[str, ...]:
    """The words that call this very program, whatever folder and PATH one has."""
    called = Path(sys.argv[0])
    if called.name == PROGRAM:
        # Not resolved: a virtual environment is known by the path that it is called by.
        return (str(called.absolute()),)
    return (sys.executable, "-m", "builder")


def needs_path() -> str:
    """The folder of our modules, where `program` calls them by name."""
    return "" if len(program()) == 1 else str(Path(paths.__file__).resolve().parent.parent)
