# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the time of the build out of a tree: no file is younger than SOURCE_DATE_EPOCH."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from builder.errors import BuildError

NS = 1_000_000_000


def clamp_times(tree: Path, epoch: int) -> None:
    """Set every mtime after `epoch` (seconds) to it, and every atime too, in whole seconds.

    The atimes all become `epoch`, since reading a file changes its atime or does not, depending on
    how its file system is mounted; mke2fs brings a later one back to `epoch`. Hard links stay hard
    links, also on an overlay, where changing one of them would take it apart from the others.
    Something mounted inside the tree is a BuildError: it would end up in the image.
    """
    device = tree.stat().st_dev
    folders: list[tuple[str, os.stat_result]] = []
    linked: dict[tuple[int, int], str] = {}
    pending = [str(tree)]
    while pending:
        folder = pending.pop()
        folders.append((folder, os.lstat(folder)))
        with os.scandir(folder) as entries:
            # A list, since linking a file again changes the folder that is being read.
            for entry in list(entries):
                info = entry.stat(follow_symlinks=False)
                if not stat.S_ISDIR(info.st_mode):
                    _clamp_file(entry.path, info, epoch, linked)
                    continue
                if info.st_dev != device:
                    raise BuildError(
                        f"something is still mounted at {entry.path}",
                        hint="unmount it before the disk is assembled",
                    )
                pending.append(entry.path)
    # Folders last: to link a file again changes the mtime of its folder.
    for path, info in folders:
        _clamp(path, info, epoch)


def _clamp_file(
    path: str, info: os.stat_result, epoch: int, linked: dict[tuple[int, int], str]
) -> None:
    """Clamp one file, and keep it one with the hard links to it that were seen before."""
    first = path
    if info.st_nlink > 1:
        first = linked.setdefault((info.st_dev, info.st_ino), path)
    if first == path:
        _clamp(path, info, epoch)
    elif not os.path.samestat(os.lstat(first), info):
        # `first` was copied up to the overlay's own layer when it was clamped.
        Path(path).unlink()
        os.link(first, path, follow_symlinks=False)


def _clamp(path: str, info: os.stat_result, epoch: int) -> None:
    mtime = min(info.st_mtime_ns // NS, epoch)
    os.utime(path, (epoch, mtime), follow_symlinks=False)
