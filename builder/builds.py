# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder of built images: `out/NAME/SERIAL/`, each complete or not there at all.

A build writes into `out/NAME/.SERIAL.partial/` and renames it when all is done. Only one build of
a name runs at a time in one folder; the lock ends with its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from builder import names
from builder.errors import ForgeError, InfrastructureError, UsageError

PARTIAL_SUFFIX = ".partial"
FAILED_SUFFIX = ".failed"
MANIFEST = "manifest.json"
LOG = "fai.log.gz"
BUILD_LOG = "build.log.gz"


@dataclass(frozen=True)
class Built:
    """One complete build on disk."""

    name: str
    serial: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}-{self.serial}"

    @property
    def manifest(self) -> Path:
        """The manifest document."""
        return self.folder / f"{self}.{MANIFEST}"

    def file(self, suffix: str) -> Path:
        """A file of the build, by its suffix with the dot."""
        return self.folder / f"{self}{suffix}"


@dataclass(frozen=True)
class Builds:
    """All builds below one folder, usually `out`."""

    root: Path

    def of(self, name: str) -> tuple[Built, ...]:
        """The builds of one series, oldest first."""
        found = [
            Built(name, folder.name, folder)
            for folder in self._folder(name).glob("[0-9]*")
            if folder.is_dir() and _is_serial(folder.name)
        ]
        return tuple(sorted(found, key=lambda built: names.serial_key(built.serial)))

    def all(self) -> tuple[Built, ...]:
        """All builds of all series, by name and then by age."""
        series = sorted(path.name for path in self.root.glob("*") if path.is_dir())
        return tuple(built for name in series for built in self.of(name))

    def find(self, name: names.Name) -> Built:
        """The build that a name means: the one with its serial, else the newest of the series."""
        series = str(name.series)
        builds = self.of(series)
        if name.serial is not None:
            builds = tuple(built for built in builds if built.serial == name.serial)
        if not builds:
            raise UsageError(f"there is no build of {name} in {self.root}", hint=f"make {series}")
        return builds[-1]

    @contextmanager
    def new(self, name: str, serial: str | None) -> Iterator[Draft]:
        """A draft of the next build of a series, or of the one with the given serial.

        Leaving the block without `Draft.publish()` leaves nothing but a kept log behind.
        """
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock", name):
            _sweep(folder)
            if serial is None:
                existing = [built.serial for built in self.of(name)]
                serial = names.next_serial(datetime.now(UTC).date(), existing)
            final = folder / serial
            if final.exists():
                raise UsageError(
                    f"{final} exists already; a build is never overwritten",
                    hint="leave out --serial, or remove that build first",
                )
            partial = folder / f".{serial}{PARTIAL_SUFFIX}"
            partial.mkdir()
            draft = Draft(Built(name, serial, final), partial)
            try:
                yield draft
            except ForgeError as error:
                if kept := draft.keep_log():
                    error.hint += f"\nThe whole FAI log is in {kept}"
                raise
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def sweep(self) -> list[Path]:
        """Remove what killed builds left, where none is running; say what it was."""
        removed = []
        for folder in self.root.glob("*"):
            # A build that runs is none of our business.
            with contextlib.suppress(InfrastructureError):
                if any(folder.glob(f".*{PARTIAL_SUFFIX}")):
                    with _locked(folder / ".lock", folder.name):
                        removed += _sweep(folder)
        return removed

    def _folder(self, name: str) -> Path:
        return self.root / name


@dataclass(frozen=True)
class Draft:
    """A build that is being made in `folder`; `built` is what it will be."""

    built: Built
    folder: Path

    def file(self, suffix: str) -> Path:
        """A file of the build while it is made, by its suffix with the dot."""
        return self.folder / f"{self.built}{suffix}"

    @contextmanager
    def write_log(self, epoch: int) -> Iterator[TextIOWrapper]:
        """FAI's log, compressed while it is written; `epoch` is the time in its header."""
        with (
            self.file(f".{LOG}").open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=epoch) as packed,
            TextIOWrapper(packed, encoding="utf-8", errors="replace") as stream,
        ):
            yield stream

    def read_log(self) -> TextIO:
        """The lines of the finished log."""
        return gzip.open(self.file(f".{LOG}"), "rt", encoding="utf-8", errors="replace")

    def publish(self) -> Built:
        """Give the finished build its final name, once its bytes are on the disk."""
        for path in (*self.folder.iterdir(), self.folder):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self.folder.rename(self.built.folder)
        return self.built

    def keep_log(self) -> Path | None:
        """Keep the logs of a failed build, if FAI ran, under a name that no build has; FAI's."""
        log = self.file(f".{LOG}")
        if not log.exists():
            return None
        kept = self.built.folder.with_name(f"{self.built.serial}{FAILED_SUFFIX}")
        kept.mkdir(exist_ok=True)
        ours = self.file(f".{BUILD_LOG}")
        if ours.exists():
            ours.replace(kept / ours.name)
        return log.replace(kept / log.name)


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InfrastructureError(
                f"another build of {name} is running in {path.parent}",
                hint="wait until it is done, or build into another folder with --out",
            ) from error
        yield


def _sweep(folder: Path) -> list[Path]:
    stale = sorted(folder.glob(f".*{PARTIAL_SUFFIX}"))
    for path in stale:
        shutil.rmtree(path)
    return stale


def _is_serial(text: str) -> bool:
    try:
        names.serial_key(text)
    except (UsageError, ValueError):
        return False
    return True
