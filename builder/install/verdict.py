# SPDX-License-Identifier: GPL-2.0-or-later
"""Did FAI succeed? Its exit code does not say; its log does.

A failing hook leaves FAI with exit code 0, and a script may fail while the run goes on. So each
line of the log is held against a table of what must not be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Tasks that the project's own hooks replace; a skip of any other task is a failure.
REPLACED_TASKS = {
    "updatebase": "fai-config/hooks/updatebase.DEFAULT does it in a way that needs no root",
    "savelog": "the log is kept beside the image, not in it",
}


@dataclass(frozen=True)
class Symptom:
    """A line in FAI's log that means failure: what it looks like, what it means, what to do."""

    pattern: re.Pattern[str]
    meaning: str
    hint: str


SKIPPED = Symptom(
    re.compile(r"^Skipping task_(?P<what>\w+)"),
    "FAI skipped its task {what}",
    "a hook asked for it; only the tasks that fai-forge replaces may be skipped",
)
SYMPTOMS = (
    SKIPPED,
    Symptom(
        re.compile(r"^(?P<what>\S+)\s+FAILED with exit code (?P<code>\d+)"),
        "{what} failed with exit code {code}",
        "see the lines before it in the FAI log; correct the script or hook in its class",
    ),
    Symptom(
        re.compile(r"^E: Unable to locate package (?P<what>\S+)"),
        "the archive has no package {what}",
        "correct the name in the class's package_config",
    ),
    Symptom(
        re.compile(r"unknown packages are removed from the installation list: (?P<what>.+)"),
        "FAI dropped packages that the archive does not have: {what}",
        "correct the names in the class's package_config",
    ),
    Symptom(
        re.compile(r"^WARNING: Unknown action (?P<what>\S+) after PACKAGES"),
        "a package_config has packages for {what}, which FAI does not know and so leaves out",
        "correct the word after PACKAGES, such as install or install-norec",
    ),
    Symptom(
        re.compile(r"^dpkg: error processing (?:package|archive) (?P<what>\S+)"),
        "the package {what} could not be installed",
        "see dpkg's message in the FAI log",
    ),
    Symptom(
        re.compile(r"^E: (?P<what>.+)"), "apt failed: {what}", "see the FAI log around this message"
    ),
    Symptom(
        re.compile(r"No space left on device"),
        "the disk or the memory for the build is full",
        "free some space, or build with --workspace disk",
    ),
    Symptom(
        re.compile(r"WARNING: Skipping (?P<what>\S+) because it's not executable"),
        "{what} is not executable, so FAI ignored it",
        "chmod +x the file",
    ),
    Symptom(
        re.compile(r"^Exit code task_(?P<what>\w+): (?P<code>\d+)"),
        "FAI's task {what} failed with code {code}",
        "see the lines before it in the FAI log",
    ),
    Symptom(
        re.compile(r"^(?:FATAL )?ERROR[: .]\s*(?P<what>.*)"),
        "FAI says: {what}",
        "see the FAI log around this message",
    ),
)


@dataclass(frozen=True)
class Finding:
    """One failure that the log shows: the line, its number from 1, and what it means."""

    number: int
    line: str
    meaning: str
    hint: str


def judge(line: str, number: int = 0) -> Finding | None:
    """The failure that a line of the log means; None for all other lines."""
    for symptom in SYMPTOMS:
        match = symptom.pattern.search(line)
        if match is None:
            continue
        if symptom is SKIPPED and match["what"] in REPLACED_TASKS:
            return None
        meaning = symptom.meaning.format(**match.groupdict())
        return Finding(number, line, meaning, symptom.hint)
    return None
