# SPDX-License-Identifier: GPL-2.0-or-later
"""The private folder of one run, of a build or of a guest: gone when the run ends.

A killed run cannot clean up. Its folder stays, but nobody holds the lock beside it any more, so the
next run removes it. The lock is taken before the folder is made and goes after it, so that there is
no moment at which a folder in use looks like a leftover.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from builder.errors import InfrastructureError

log = logging.getLogger(__name__)

PREFIX = "run-"
LOCK = ".lock"
KEEP = "keep"


@contextlib.contextmanager
def run_folder(parent: Path, keep: bool = False) -> Iterator[Path]:
    """Yield a new folder under `parent` that only we can read, and remove it, unless `keep`.

    Whoever puts a file called KEEP into it has it kept, too.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    folder = parent / f"{PREFIX}{uuid.uuid4().hex[:12]}"
    lock = folder.with_name(folder.name + LOCK)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            if keep:
                (folder / KEEP).touch()
            if not (folder / KEEP).exists():
                shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def sweep(parent: Path) -> list[Path]:
    """Remove the folders of runs that were killed, and say which; live ones are locked.

    A workspace on disk holds files of an image's users, which only root of a sandbox may remove:
    InfrastructureError says so where it cannot be done.
    """
    gone = []
    for lock in sorted(parent.glob(f"{PREFIX}*{LOCK}")):
        try:
            file = lock.open("r")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            folder = lock.with_suffix("")
            if folder.exists():
                log.info("removing what a killed run left: %s", folder)
                _remove(folder)
                gone.append(folder)
            lock.unlink(missing_ok=True)
    return gone


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise InfrastructureError(
            f"the leftovers of a killed run cannot be removed: {folder}",
            hint=f"remove the folder as its owner or as root ({error})",
        ) from error
