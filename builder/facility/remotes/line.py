# SPDX-License-Identifier: GPL-2.0-or-later
"""A store at the other end of a line: the bytes that come over it are counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Protocol, cast

from builder.store.place import Readable


class _Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Line:
    """A place whose bytes are counted; what was brought here already is read from here."""

    def __init__(self, place: Readable) -> None:
        self._place = place
        self._here: dict[str, Path] = {}
        self._lock = Lock()
        self.transferred = 0

    @property
    def url(self) -> str:
        """That of the place."""
        return self._place.url

    def keep(self, path: str, file: Path) -> None:
        """Read a path from a local file from now on, whose content was verified."""
        self._here[path] = file

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        if path in self._here:
            return self._here[path].stat().st_size
        return self._place.size(path)

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        """The content of a file from an offset on; FileNotFoundError where there is none."""
        if path in self._here:
            with self._here[path].open("rb") as file:
                file.seek(offset)
                yield file
            return
        with self._place.open(path, offset) as source:
            yield cast(IO[bytes], _Counting(source, self._count))

    def _count(self, size: int) -> None:
        with self._lock:
            self.transferred += size


class _Counting:
    """Content that tells how much of it was read."""

    def __init__(self, source: _Source, count: _Count) -> None:
        self._source = source
        self._count = count

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size)
        self._count(len(piece))
        return piece


class _Count(Protocol):
    def __call__(self, size: int, /) -> None: ...
