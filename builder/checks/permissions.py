# SPDX-License-Identifier: GPL-2.0-or-later
"""Modes, owners and times that no file of an image may have.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from builder.checks.reviewed import reviewed
from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

# "nobody" and "nogroup" own no files by definition; inside a user namespace, a file whose owner is
# not mapped shows this id as well.
OVERFLOW_ID = 65534
ROOT = 0
# Where whoever owns a file could change what root runs.
ROOT_FOLDERS = ("boot", "etc", "usr")
SPECIAL: dict[Callable[[int], bool], str] = {
    stat.S_ISBLK: "a block device",
    stat.S_ISCHR: "a character device",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
}
# The extended attribute in which a program's capabilities are; see capabilities(7).
CAPABILITIES = "security.capability"


def world_writable(subject: Subject) -> Iterator[str]:
    """Nothing may be writable by all, sticky folders excepted."""
    for entry in subject.root.entries:
        mode = entry.info.st_mode
        sticky_folder = entry.is_folder and mode & stat.S_ISVTX
        if mode & stat.S_IWOTH and not entry.is_link and not sticky_folder:
            yield f"/{entry.path} has mode {stat.S_IMODE(mode):04o}"


def root_owned(subject: Subject) -> Iterator[str]:
    """What the system is made of must belong to root, but for what is reviewed."""
    reviewed_paths = {path for each in reviewed().owners for path in subject.root.glob(each)}
    for folder in ROOT_FOLDERS:
        for entry in subject.root.under(folder):
            if entry.info.st_uid != ROOT and entry.path not in reviewed_paths:
                yield f"/{entry.path} belongs to the user id {entry.info.st_uid}"


def special_files(subject: Subject) -> Iterator[str]:
    """There must be nothing but files, folders and symlinks: no devices, pipes or sockets."""
    for entry in subject.root.entries:
        if not (entry.is_file or entry.is_folder or entry.is_link):
            yield f"/{entry.path} is {_kind(entry.info.st_mode)}"


def _kind(mode: int) -> str:
    return next(name for is_one, name in SPECIAL.items() if is_one(mode))


def setuid(subject: Subject) -> Iterator[str]:
    """No file may be setuid, setgid or have capabilities that nobody has reviewed."""
    allowed = {
        path
        for pattern in (*reviewed().setuid, *_of_classes(subject))
        for path in subject.root.glob(pattern)
    }
    for entry in subject.root.entries:
        if not entry.is_file or entry.path in allowed:
            continue
        if entry.info.st_mode & (stat.S_ISUID | stat.S_ISGID):
            yield f"/{entry.path} has mode {stat.S_IMODE(entry.info.st_mode):04o}"
        elif CAPABILITIES in os.listxattr(subject.root.tree / entry.path):
            yield f"/{entry.path} has capabilities"


def _of_classes(subject: Subject) -> Iterator[str]:
    """What the image's classes have reviewed."""
    return (path for promise in subject.promise.classes for path in promise.setuid)


def newer_than_epoch(subject: Subject) -> Iterator[str]:
    """No mtime may be later than SOURCE_DATE_EPOCH."""
    limit = subject.promise.epoch * 10**9
    for entry in subject.root.entries:
        if entry.info.st_mtime_ns > limit:
            yield f"/{entry.path} is {(entry.info.st_mtime_ns - limit) / 1e9:.0f} s newer"


def known_owners(subject: Subject) -> Iterator[str]:
    """Every owner and group must be in the tree's own passwd and group files."""
    users = _ids(subject.root, "etc/passwd")
    groups = _ids(subject.root, "etc/group")
    for entry in subject.root.entries:
        if entry.info.st_uid not in users:
            yield f"/{entry.path} belongs to the user id {entry.info.st_uid}"
        if entry.info.st_gid not in groups:
            yield f"/{entry.path} belongs to the group id {entry.info.st_gid}"


def _ids(root: Rootfs, path: str) -> frozenset[int]:
    """The ids of passwd(5) or group(5) that may own files."""
    fields = (line.split(":") for line in root.lines(path))
    ids = (line[2] for line in fields if len(line) > 2)
    return frozenset(int(each) for each in ids if each.isdecimal()) - {OVERFLOW_ID}
