# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a boot leaves beside the build, by their names: KIND is the firmware it was by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.guest.reports.report import Log


@dataclass(frozen=True)
class Row:
    """Names of files as a pattern of pathlib's, and what is in them."""

    pattern: str
    what: str


# In the order in which a person looks at them. Numbers are those of the starts within a boot.
ROWS: Final = (
    Row("console-{}.log", "console"),
    # virtlogd starts a new file at 2 MiB; the highest number is the oldest.
    Row("console-{}.log.[0-9]", "console, before that"),
    Row("console-{}.kvm.log", "console under KVM, which did not start a kernel"),
    Row("journal-{}-[0-9].log", "journal"),
    Row("journal-{}-[0-9].log.gz", "journal"),
    Row("analyze-{}-[0-9].log", "systemd-analyze"),
    Row("analyze-{}-[0-9].log.gz", "systemd-analyze"),
    Row("screen-{}.p[np][gm]", "screen at the first failure"),
    Row("boot-{}.log", "tests' output"),
    Row("boot-{}.xml", "JUnit"),
)


def files(folder: Path, kind: str) -> Iterator[tuple[Path, str]]:
    """What a boot of a kind left, with what it is."""
    for row in ROWS:
        for path in sorted(folder.glob(row.pattern.format(kind))):
            yield path, row.what


def logs(folder: Path, kind: str) -> tuple[Log, ...]:
    """The same for a report; of several starts, each says which it is."""
    found = []
    for path, what in files(folder, kind):
        number = path.name.removesuffix(".gz").removesuffix(".log").rpartition("-")[2]
        starts = {"1": f"{what} of the first start", "2": f"{what} after the reboot"}
        each = starts.get(number, f"{what} of start {number}") if number.isdigit() else what
        found.append(Log(name=path.name, what=each))
    return tuple(found)


def remove(folder: Path, kind: str) -> None:
    """Take away what an older boot of the kind left, so that nothing is shown as of the new one."""
    for path, _ in list(files(folder, kind)):
        path.unlink()
