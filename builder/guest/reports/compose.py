# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the report of one boot together: its tests, judged and compared, and the evidence it left."""

from __future__ import annotations

import gzip
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from builder.classes.known_issues import KnownIssue
from builder.errors import CheckError
from builder.guest import console, screenshot, startlogs, startup
from builder.guest.machines import MACHINES
from builder.guest.reports import junit, known, leftovers, regressions
from builder.guest.reports.junit import TestResult
from builder.guest.reports.report import Boot, Image, Report, Stage, Start, Test
from builder.guest.verdict import BootReport

# Lines of the console that a report of a failed boot has.
CONSOLE_LINES: Final = 40
# Characters of a failure that are kept; a test may compare whole files.
MESSAGE: Final = 20_000
NUMBER: Final = re.compile(r"-([0-9])\.log(?:\.gz)?")


@dataclass(frozen=True)
class Told:
    """What is known of a boot beside what it found.

    `name` is the series, or a file's name; `folder` holds the evidence; `words` are the arguments
    of fai-forge that repeat it; `image` is the file's name and sha256.
    """

    kind: str
    name: str
    arch: str
    folder: Path
    begin: datetime
    words: tuple[str, ...]
    image: tuple[str, str]


def compose(
    found: BootReport | CheckError,
    told: Told,
    issues: Sequence[KnownIssue],
    earlier: Report | None,
) -> Boot:
    """The boot as the report has it; a CheckError stands for tests that could not run."""
    if isinstance(found, CheckError):
        cause = "\n".join(filter(None, (found.message, found.hint)))
        found = BootReport(
            told.kind, "unknown", 0.0, (), told.folder / "none", told.folder / "none", cause=cause
        )
    subject = known.Subject(told.name, told.kind, told.arch)
    tests = known.judge([_test(each) for each in found.tests], issues, subject, told.begin.date())
    if found.junit.is_file():
        junit.excuse(found.junit, tests)
    failed = bool(found.cause) or not tests or any(test.outcome == "failed" for test in tests)
    picture = screenshot.find(told.folder, told.kind)
    boot = Boot(
        name=told.kind,
        verdict="failed" if failed else "passed",
        cause=found.cause or ("" if tests else "there was no test"),
        date=told.begin,
        accel=found.accel,
        seconds=round(found.seconds, 1),
        tries=found.tries,
        command=shlex.join(("fai-forge", *told.words)),
        image=Image(name=told.image[0], sha256=told.image[1]),
        tests=tests,
        stages=tuple(Stage(name=each.text, seconds=each.seconds) for each in found.stages),
        starts=tuple(_starts(told.folder, told.kind)),
        logs=leftovers.logs(told.folder, told.kind),
        screenshot=picture.name if picture else None,
        without_screenshot="" if picture or not failed else _no_picture(told),
        console_end=_console_end(told) if failed else "",
    )
    return regressions.compare(boot, earlier)


def _test(result: TestResult) -> Test:
    message = result.message.strip()
    if len(message) > MESSAGE:
        message = f"(the end of {len(message)} characters)\n{message[-MESSAGE:]}"
    outcome = "not-run" if not result.run else "passed" if result.passed else "failed"
    return Test.model_validate(
        {
            "name": result.name,
            "outcome": outcome,
            "seconds": round(result.seconds, 2),
            # What did not run has the cause of the whole boot.
            "message": message if result.run else "",
        }
    )


def _starts(folder: Path, kind: str) -> Iterator[Start]:
    """How long each start took, by the answers of systemd-analyze that were kept."""
    for path, what in leftovers.files(folder, kind):
        number = NUMBER.search(path.name)
        if what == startlogs.ANALYZE.what and number:
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode(errors="replace")
            answers = startlogs.sections(text)
            time, blame = (answers.get(each, "") for each in startlogs.ANALYZE.commands[:2])
            yield startup.start(int(number[1]), time, blame)


def _no_picture(told: Told) -> str:
    row = MACHINES.get(told.arch)
    if row is None or row.video is None:
        return f"guests of {told.arch} have no screen here"
    return "the guest had ended, or libvirt could not take one; the tests' output says more"


def _console_end(told: Told) -> str:
    return console.tail(console.read(told.folder / f"console-{told.kind}.log"), CONSOLE_LINES)
