# SPDX-License-Identifier: GPL-2.0-or-later
"""The log of decisions: one file for each image, one line for each decision, never rewritten.

A year later it tells why an image was built anew on a day, and why on another it was not.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from builder.errors import InfrastructureError, UsageError
from builder.manifest.decision import Decision

SUFFIX = ".jsonl"
# Where they are kept below a folder of builds or a store, if nothing is said.
RECORDS = "decisions"


@dataclass(frozen=True)
class Record:
    """The decisions in a folder, by image."""

    folder: Path

    def add(self, decision: Decision) -> None:
        """Append a decision; a killed program leaves no half of a line that others would read."""
        line = (decision.model_dump_json(by_alias=True) + "\n").encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                self._file(decision.name), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _mend(descriptor)
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise InfrastructureError(
                f"the decision cannot be recorded in {self.folder}: {error.strerror}",
                hint="give another folder with --record, or leave it out with --no-record",
            ) from error

    def of(self, name: str) -> Iterator[Decision]:
        """The decisions about an image, oldest first; UsageError names a line that is none."""
        path = self._file(name)
        if not path.exists():
            return
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                # The last one may still be written.
                if line.endswith("\n"):
                    yield _decision(line, f"{path}, line {number}")

    def names(self) -> list[str]:
        """The images about which there are decisions."""
        return sorted(path.stem for path in self.folder.glob(f"*{SUFFIX}"))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"


def _decision(line: str, where: str) -> Decision:
    try:
        return Decision.model_validate_json(line)
    except ValidationError as error:
        raise UsageError(
            f"{where}: this is no decision: {error.errors(include_url=False)[0]['msg']}",
            hint="a newer fai-forge may have written it; else take the line out",
        ) from error


def _mend(descriptor: int) -> None:
    """Cut off half of a line that somebody who was killed left."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size, 0)
    os.ftruncate(descriptor, content.rfind(b"\n") + 1)
