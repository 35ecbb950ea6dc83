# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are not whole yet: hidden beside their target, one process at a time writes them."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from builder.errors import InfrastructureError


def name_of(name: str) -> str:
    """The hidden name of an unfinished file, not longer than what every file system takes."""
    return f".{hashlib.sha256(name.encode()).hexdigest()[:32]}.partial"


def path_of(target: Path) -> Path:
    """Where the partial file of a target is."""
    return target.with_name(name_of(target.name))


@contextmanager
def held(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """The partial file of a target, which only one process writes at a time.

    InfrastructureError where another one does.
    """
    partial = path_of(target)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(partial, flags, 0o644), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InfrastructureError(
                f"another process fetches {target}", hint="wait until it is done"
            ) from error
        yield partial, file


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Errors of this machine's disk in words."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"{target} cannot be written: {error.strerror}", hint="is there room, and is it yours?"
        ) from error
