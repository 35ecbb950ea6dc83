# SPDX-License-Identifier: GPL-2.0-or-later
"""Which script or hook most likely brought a package that no plan foresaw, or took one away.

FAI's log says under which script dpkg was at work. What it does not say, such as a package that was
unpacked quietly, the scripts' own text may: they are searched for the package's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

# Lines of the log that begin the output of something else, and what that is; a task has none.
SECTIONS = (
    (re.compile(r"^Calling task_\w+"), ""),
    (re.compile(r"^Calling hook: (\S+)"), r"hooks/\1"),
    (re.compile(r"^=====\s+\w+: (\S+)\s+=====$"), r"scripts/\1"),
)
DPKG = re.compile(
    r"^(?:Unpacking|Setting up|Removing|Purging configuration files for) (?P<name>[^ :]+)"
)
PROGRAMS = ("scripts/*/*", "hooks/*")


def culprits(log: Iterable[str], config: Path, packages: Collection[str]) -> dict[str, str]:
    """The script or hook, as a path in the config space, behind each of some packages, if known.

    `log` are the lines of FAI's log, the output of the classes' scripts among them.
    """
    return {**_mentioned(config, packages), **_logged(log, packages)}


def _logged(log: Iterable[str], packages: Collection[str]) -> dict[str, str]:
    found = {}
    at_work = ""
    for line in log:
        for pattern, who in SECTIONS:
            if match := pattern.match(line.strip()):
                at_work = match.expand(who)
        match = DPKG.match(line)
        if match and at_work and match["name"] in packages:
            found[match["name"]] = at_work
    return found


def _mentioned(config: Path, packages: Collection[str]) -> dict[str, str]:
    found = {}
    for program in sorted(path for pattern in PROGRAMS for path in config.glob(pattern)):
        words = set(re.findall(r"[a-z0-9][a-z0-9+.-]+", program.read_text(errors="replace")))
        for name in words & set(packages):
            found[name] = str(program.relative_to(config))
    return found
