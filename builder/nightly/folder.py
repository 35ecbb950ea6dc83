# SPDX-License-Identifier: GPL-2.0-or-later
"""Where nightlies are kept: OUT/nightly/RUN/, with the document, the page, the plan and the logs.

Only one runs at a time for a folder of builds; the lock ends with its process.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from builder.errors import InfrastructureError
from builder.nightly.model import NightlyRun
from builder.nightly.page import page

log = logging.getLogger(__name__)

RUNS: Final = "nightly"
DOCUMENT: Final = "nightly.json"
PAGE: Final = "index.html"
# What `fai-forge plan --json` prints, for `fai-forge build --decision`.
PLAN: Final = "plan.json"
LOCK: Final = ".lock"
RUN: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.([1-9]\d*))?")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one nightly; `before` is what an earlier call of it left."""

    path: Path
    before: NightlyRun | None = None

    @property
    def name(self) -> str:
        """The run's name: its day, and a number."""
        return self.path.name

    @property
    def plan(self) -> Path:
        """The decisions that builds are made by."""
        return self.path / PLAN

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.path / PAGE

    def log(self, what: str, step: str) -> Path:
        """The log of a step of an image, or of the store."""
        return self.path / f"{what}.{step}.log"

    def save(self, run: NightlyRun) -> None:
        """Replace document and page; whoever reads them sees an old or a new one, never half."""
        document = run.model_dump_json(by_alias=True, indent=2) + "\n"
        for name, content in ((DOCUMENT, document.encode()), (PAGE, page(run))):
            replace(self.path / name, content)


def of_day(out: Path, day: date) -> RunFolder:
    """The day's last nightly if it did not come to a good end, else a new one; nothing is made."""
    found = sorted(
        (int(match[2] or 0), path)
        for path in (out / RUNS).glob(f"{day:%Y-%m-%d}*")
        if (match := RUN.fullmatch(path.name))
    )
    if not found:
        return RunFolder(out / RUNS / f"{day:%Y-%m-%d}")
    number, path = found[-1]
    before = load(path / DOCUMENT)
    if before is not None and not before.complete:
        return RunFolder(path, before)
    return RunFolder(out / RUNS / f"{day:%Y-%m-%d}.{number + 1}")


def load(path: Path) -> NightlyRun | None:
    """The document of a nightly; None where there is none that can be read.

    It says what was done when, and never what is done: that is asked of builds and store.
    """
    try:
        return NightlyRun.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("%s cannot be read, and is left alone: %s", path, str(error).splitlines()[0])
        return None


def replace(path: Path, content: bytes) -> None:
    """Write a file at once, in place of another one; InfrastructureError where that fails."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        # A power cut may take it along: nothing is believed because it stands there.
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be written: {error.strerror}", hint="is the disk full?"
        ) from error


def copy(folder: RunFolder, run: NightlyRun, out: Path, to: Path) -> Path:
    """Put document, plan, page and logs of a nightly into another folder; the page there.

    The page links to the builds in `out` as they are seen from there.
    """
    to.mkdir(parents=True, exist_ok=True)
    logs = {step.log for step in run.steps if step.log}
    for name in (DOCUMENT, PLAN, *logs):
        if (folder.path / name).exists():
            replace(to / name, (folder.path / name).read_bytes())
    replace(to / PAGE, page(run, os.path.relpath(out, to)))
    return to / PAGE


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other nightlies out of a folder of builds; InfrastructureError where one is at work."""
    folder = out / RUNS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            f"{folder} cannot be written to: {error.strerror}", hint="name another folder: --out"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise InfrastructureError(
                f"another nightly is at work in {folder} ({file.read() or 'unknown'})",
                hint="wait until it is done, or give another folder of builds with --out",
            ) from error
        file.truncate(0)
        file.write(f"{os.uname().nodename}, process {os.getpid()}")
        file.flush()
        yield
