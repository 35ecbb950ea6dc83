# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine remembers of stores: the greatest serial of an index that it saw of each.

An old index is signed well. Who serves it in place of the newest one (a rollback) is found out
only by who has seen a newer one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import PositiveInt, ValidationError

from builder.errors import InfrastructureError
from builder.manifest.parts import Part, Text


class _Seen(Part):
    """One store, as it is remembered."""

    url: Text
    serial: PositiveInt


@dataclass(frozen=True)
class Memory:
    """A folder with one small file for each store, by its URL."""

    folder: Path

    def path(self, url: str) -> Path:
        """The file that is about a store."""
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()}.json"

    def seen(self, url: str) -> int:
        """The greatest serial that was seen of a store; 0 where none was."""
        path = self.path(url)
        try:
            return _Seen.model_validate_json(path.read_bytes()).serial
        except FileNotFoundError:
            return 0
        except (OSError, ValidationError) as error:
            # Not taken for nothing: whoever can damage this file could undo what it is for.
            raise InfrastructureError(
                f"{path}, which remembers the store {url}, cannot be read",
                hint="remove it, if you know that this store serves its newest index",
            ) from error

    def remember(self, url: str, serial: int) -> None:
        """Keep a serial, unless a greater one is known."""
        with self._locked():
            if serial <= self.seen(url):
                return
            path = self.path(url)
            partial = path.with_suffix(".partial")
            with partial.open("w", encoding="utf-8") as file:
                file.write(_Seen(url=url, serial=serial).model_dump_json(by_alias=True))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)

    def forget(self, url: str) -> None:
        """Know nothing of a store, which its owner makes anew."""
        with self._locked():
            self.path(url).unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise InfrastructureError(
                f"{self.folder}: {error.strerror}",
                hint="this folder remembers which indexes were seen; make it writable",
            ) from error
