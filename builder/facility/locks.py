# SPDX-License-Identifier: GPL-2.0-or-later
"""One at a time: what changes a site's store over many steps keeps the others of its kind out."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import InfrastructureError


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of `what` (such as "sync") in a folder; it ends with its process.

    Raises InfrastructureError at once where another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{what}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InfrastructureError(
            f"{folder}: {error.strerror}", hint="status and locks are kept there; make it writable"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace")
            raise InfrastructureError(
                f"another {what} is at work here (process {holder or 'unknown'})",
                hint="wait until it is done",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
