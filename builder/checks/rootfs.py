# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking into a root tree as a process inside of it would: no symlink leads out to the host."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# As many as Linux follows.
MAX_LINKS = 40
# What makes a pattern of a path's part; see fnmatch(3).
WILDCARD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Entry:
    """One file, folder or other thing in the tree; `path` is relative to it, "" the tree itself."""

    path: str
    info: os.stat_result

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.info.st_mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.info.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symlink."""
        return stat.S_ISLNK(self.info.st_mode)


@dataclass(frozen=True)
class Rootfs:
    """A root tree; every path given to its methods is relative to it, or absolute inside it."""

    tree: Path

    def resolve(self, path: str) -> Path | None:
        """Where `path` is on this machine, its symlinks followed inside the tree.

        None where it does not exist, is a loop of symlinks, or goes through a file.
        """
        todo = deque(path.split("/"))
        done: list[str] = []
        links = 0
        while todo:
            part = todo.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            # Strings, since pathlib would take most of the time of all checks.
            here = "/".join((self._top, *done, part))
            if not os.path.islink(here):  # noqa: PTH114
                done.append(part)
                continue
            links += 1
            if links > MAX_LINKS:
                return None
            target = os.readlink(here)  # noqa: PTH115
            if target.startswith("/"):
                done = []
            todo.extendleft(reversed(target.split("/")))
        found = "/".join((self._top, *done))
        return Path(found) if os.path.lexists(found) else None

    @cached_property
    def _top(self) -> str:
        return str(self.tree)

    def exists(self, path: str) -> bool:
        """Whether `path` exists, a dangling symlink counting as well."""
        folder, _, name = path.strip("/").rpartition("/")
        parent = self.resolve(folder)
        return parent is not None and os.path.lexists(parent / name)

    def link(self, path: str) -> str | None:
        """The target of the symlink at `path`, or None."""
        folder, _, name = path.strip("/").rpartition("/")
        parent = self.resolve(folder)
        if parent is None or not (parent / name).is_symlink():
            return None
        return str((parent / name).readlink())

    def size(self, path: str) -> int:
        """The size of a regular file in bytes; 0 where there is none."""
        found = self.resolve(path)
        return found.stat().st_size if found is not None and found.is_file() else 0

    def text(self, path: str) -> str | None:
        """The content of a regular file, or None where there is none."""
        found = self.resolve(path)
        if found is None or not found.is_file():
            return None
        return found.read_text(encoding="utf-8", errors="replace")

    def lines(self, path: str) -> tuple[str, ...]:
        """The lines of a file; none where there is no file."""
        return tuple((self.text(path) or "").splitlines())

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Paths that match, sorted; each part may have wildcards, and `**` is any folders or none.

        `*` also matches names that begin with a dot. A dangling symlink is found as well.
        """
        found = [""]
        *folders, last = (part for part in pattern.split("/") if part)
        for part in folders:
            found = [each for path in found for each in self._matching(path, part)]
        names = {each for path in found for each in self._matching(path, last)}
        return tuple(sorted(each.lstrip("/") for each in names if each))

    def _matching(self, folder: str, part: str) -> list[str]:
        """What one part of a pattern matches in a folder."""
        if part == "**":
            return [folder, *self._folders_below(folder)]
        if not WILDCARD.search(part):
            return [f"{folder}/{part}"] if self.exists(f"{folder}/{part}") else []
        place = self.resolve(folder)
        if place is None or not place.is_dir():
            return []
        names = sorted(each.name for each in place.iterdir())
        return [f"{folder}/{each}" for each in names if fnmatch.fnmatchcase(each, part)]

    def _folders_below(self, folder: str) -> Iterator[str]:
        place = self.resolve(folder)
        for each in sorted(place.iterdir()) if place is not None and place.is_dir() else ():
            if each.is_dir() and not each.is_symlink():
                yield f"{folder}/{each.name}"
                yield from self._folders_below(f"{folder}/{each.name}")

    def under(self, folder: str) -> Iterator[Entry]:
        """`folder`, which is a path without symlinks, and all that is below it."""
        prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        return (entry for entry in self.entries if f"{entry.path}/".startswith(prefix))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All that is in the tree, by path; other file systems mounted in it are left out."""
        return tuple(sorted(self._walk(), key=lambda entry: entry.path))

    def _walk(self) -> Iterator[Entry]:
        device = self.tree.stat().st_dev
        yield Entry("", self.tree.stat())
        folders = [self.tree]
        while folders:
            with os.scandir(folders.pop()) as found:
                for each in found:
                    info = each.stat(follow_symlinks=False)
                    if info.st_dev != device:
                        continue
                    yield Entry(os.path.relpath(each.path, self.tree), info)
                    if stat.S_ISDIR(info.st_mode):
                        folders.append(Path(each.path))
