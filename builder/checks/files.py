# SPDX-License-Identifier: GPL-2.0-or-later
"""Modes, owners and times that no file of an image may have.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

from builder.checks.rootfs import Rootfs
from builder.checks.terms import Subject

# "nobody" and "nogroup" own no files by definition; inside a user namespace, a file whose owner is
# not mapped shows this id as well.
OVERFLOW_ID = 65534


def world_writable(subject: Subject) -> Iterator[str]:
    """Nothing in /etc and /usr may be writable by all, sticky folders excepted."""
    for folder in ("etc", "usr"):
        for entry in subject.root.under(folder):
            mode = entry.info.st_mode
            sticky_folder = entry.is_folder and mode & stat.S_ISVTX
            if mode & stat.S_IWOTH and not entry.is_link and not sticky_folder:
                yield f"/{entry.path} has mode {stat.S_IMODE(mode):04o}"


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
