# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the files of a store are: what a folder, an SFTP server or an S3 bucket can do for us.

Paths are relative to the store, with slashes, and were checked before they come here. A file is at
its path whole or not at all. What is forbidden, or cannot be reached, is an InfrastructureError;
only what the place itself says is not there is absent. Several threads may use one place at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

# Told how many more bytes were moved.
OnBytes = Callable[[int], None]


class Readable(Protocol):
    """A place that can be read."""

    @property
    def url(self) -> str:
        """What a person calls the place, without secrets."""

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""

    def open(self, path: str, offset: int = 0) -> AbstractContextManager[IO[bytes]]:
        """The content of a file from an offset on; FileNotFoundError where there is none."""


class Place(Readable, Protocol):
    """A place that can be published to, by one publisher at a time."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other publishers out; InfrastructureError names one that is at work.

        The lock of a publisher that was killed does not last.
        """

    def names(self, folder: str) -> tuple[str, ...]:
        """The files and folders that are directly in a folder; none if it does not exist."""

    def upload(self, local: Path, path: str, on_bytes: OnBytes) -> None:
        """Put a file at a path, going on where an upload of the same file was broken off."""

    def write(self, path: str, content: bytes) -> None:
        """Put a small file at a path, in place of another one if there is one."""

    def move(self, folder: str, to: str) -> None:
        """Give a folder another name at once, where the place can; `to` is not there yet."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; no error if it is not there."""
