# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files differ between two builds that should be the same: two raw disks, or two trees.

The file systems of a disk are read with debugfs and mtools into a folder: nothing is mounted.
"""

from __future__ import annotations

import filecmp
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.disk.layout import SECTOR, Layout, Partition, Role, layout
from builder.disk.toolbox import Toolbox, room_in
from builder.run import CommandError

CHUNK = 1 << 20


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that is not the same: where, and `what`, such as "content" or "mode".

    `partition` is a role ("root", "esp", ...), "disk" for what lies outside of the partitions, or
    "tree"; `path` begins with a slash, and is empty where the difference is in no file.
    """

    partition: str
    path: str
    what: str


def differing_paths(
    first: Path, second: Path, *, arch: str, tools: Toolbox, work: Path
) -> tuple[Difference, ...]:
    """What differs between two raw disks of `arch`; `work` is an empty folder for us.

    `work` needs room for the files of both disks, if they differ. Equal disks give ().
    """
    sizes = first.stat().st_size, second.stat().st_size
    if sizes[0] != sizes[1]:
        return (Difference("disk", "", f"size ({sizes[0]} and {sizes[1]} bytes)"),)
    disk = layout(arch, sizes[0])
    found: list[Difference] = []
    for name, start, end in _outside(disk):
        if not _same_bytes(first, second, start, end):
            found.append(Difference("disk", "", name))
    work = work.resolve()
    with room_in(work):
        for part in disk.partitions:
            if not _same_bytes(first, second, part.offset, part.offset + part.length):
                found += _in_partition((first.resolve(), second.resolve()), part, tools, work)
    return tuple(found)


def differing_files(first: Path, second: Path, where: str = "tree") -> tuple[Difference, ...]:
    """What differs between two trees: files in only one, and each file's type, mode, owner..."""
    return tuple(
        Difference(where, path, what) for path, what in sorted(_walk_both(first, second, "/"))
    )


def _outside(disk: Layout) -> Iterator[tuple[str, int, int]]:
    """Name, start and end (bytes) of what lies before and after the partitions."""
    last = disk.root.offset + disk.root.length
    yield "boot sector", 0, SECTOR
    yield "partition table", SECTOR, disk.partitions[0].offset
    yield "backup partition table", last, disk.size


def _same_bytes(first: Path, second: Path, start: int, end: int) -> bool:
    with first.open("rb") as one, second.open("rb") as two:
        one.seek(start)
        two.seek(start)
        left = end - start
        while left > 0:
            size = min(CHUNK, left)
            if one.read(size) != two.read(size):
                return False
            left -= size
    return True


def _in_partition(
    raws: tuple[Path, Path], part: Partition, tools: Toolbox, work: Path
) -> list[Difference]:
    """The files that differ in one partition, or one line when it is not in the files."""
    where = part.role.value
    unpack = _UNPACK.get(part.role)
    if unpack is None:
        return [Difference(where, "", "content")]
    folders = []
    for raw, name in zip(raws, ("first", "second"), strict=True):
        folder = work / f"{where}-{name}"
        folder.mkdir()
        unpack(raw, part, folder, tools)
        folders.append(folder)
    found = [
        each
        for each in differing_files(folders[0], folders[1], where)
        if not _is_time_of_symlink(each, folders[0])
    ]
    # Extended attributes (rdump leaves them out), the hash seed, the order of blocks.
    return found or [Difference(where, "", "file system (all files are the same)")]


def _is_time_of_symlink(found: Difference, folder: Path) -> bool:
    """debugfs' rdump gives symlinks the time of the extraction."""
    return found.what.startswith("mtime") and (folder / found.path.lstrip("/")).is_symlink()


def _unpack_root(raw: Path, part: Partition, folder: Path, tools: Toolbox) -> None:
    said = tools.run(["debugfs", "-R", f'rdump / "{folder}"', f"{raw}?offset={part.offset}"])
    # debugfs itself never fails.
    if "No space left on device" in said.output:
        raise CommandError(said)


def _unpack_esp(raw: Path, part: Partition, folder: Path, tools: Toolbox) -> None:
    tools.run(["mcopy", "-s", "-m", "-n", "-i", f"{raw}@@{part.offset}", "::/", folder])


_UNPACK: dict[Role, Callable[[Path, Partition, Path, Toolbox], None]] = {
    Role.ESP: _unpack_esp,
    Role.ROOT: _unpack_root,
}


def _walk_both(first: Path, second: Path, path: str) -> Iterator[tuple[str, str]]:
    """Path and difference of everything below `path` in either tree."""
    inside = path.lstrip("/")
    names = [set(os.listdir(top / inside)) for top in (first, second)]  # noqa: PTH208
    for name in sorted(names[0] | names[1]):
        below = f"{path.rstrip('/')}/{name}"
        if name not in names[1]:
            yield below, "only in the first"
        elif name not in names[0]:
            yield below, "only in the second"
        else:
            one, two = first / inside / name, second / inside / name
            yield from ((below, what) for what in _differences(one, two))
            if all(stat.S_ISDIR(side.lstat().st_mode) for side in (one, two)):
                yield from _walk_both(first, second, below)


def _differences(one: Path, two: Path) -> Iterator[str]:
    """In what two files of the same name differ."""
    info, other = one.lstat(), two.lstat()
    kind = stat.S_IFMT(info.st_mode)
    if kind != stat.S_IFMT(other.st_mode):
        yield "type"
        return
    if stat.S_IMODE(info.st_mode) != stat.S_IMODE(other.st_mode):
        yield f"mode ({stat.S_IMODE(info.st_mode):04o} and {stat.S_IMODE(other.st_mode):04o})"
    owners = [f"{side.st_uid}:{side.st_gid}" for side in (info, other)]
    if owners[0] != owners[1]:
        yield f"owner ({' and '.join(owners)})"
    if int(info.st_mtime) != int(other.st_mtime):
        yield f"mtime ({int(info.st_mtime)} and {int(other.st_mtime)})"
    if _xattrs(one) != _xattrs(two):
        yield "extended attributes"
    same = _SAME_CONTENT.get(kind)
    if same is not None and not same(one, two):
        yield "content"


_SAME_CONTENT: dict[int, Callable[[Path, Path], bool]] = {
    stat.S_IFREG: lambda one, two: filecmp.cmp(one, two, shallow=False),
    stat.S_IFLNK: lambda one, two: one.readlink() == two.readlink(),
}


def _xattrs(path: Path) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
