# SPDX-License-Identifier: GPL-2.0-or-later
"""Two disks that should be the same: the differing files are named, without a mount."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.disk.compare import Difference, differing_paths
from builder.disk.layout import MIB
from tests.integration.test_disk_assemble import ESP_FILE, SIZE, make, plant
from tests.integration.test_disk_toolbox import toolbox

OLD = 1_600_000_000


def old(path: Path) -> Path:
    os.utime(path, (OLD, OLD))
    return path


def other_core(tree: Path) -> None:
    (tree / "boot/grub/i386-pc/core.img").write_bytes(bytes([0x55]) * 1300)


def nothing(_tree: Path) -> None:
    pass


CHANGES: list[tuple[Callable[[Path], object], tuple[Difference, ...]]] = [
    (nothing, ()),
    (
        lambda tree: (tree / "etc/hostname").write_text("other\n"),
        # Two names, one file.
        (
            Difference("root", "/etc/alias", "content"),
            Difference("root", "/etc/hostname", "content"),
        ),
    ),
    (
        lambda tree: (tree / "etc/extra").touch(),
        (Difference("root", "/etc/extra", "only in the second"),),
    ),
    (
        lambda tree: (tree / "etc").chmod(0o700),
        (Difference("root", "/etc", "mode (0755 and 0700)"),),
    ),
    (
        lambda tree: old(tree / "usr/lib"),
        (Difference("root", "/usr/lib", f"mtime (1700000000 and {OLD})"),),
    ),
    (
        lambda tree: (tree / "boot/efi" / ESP_FILE).write_bytes(b"other"),
        (Difference("esp", f"/{ESP_FILE}", "content"),),
    ),
    (
        other_core,
        (
            Difference("bios", "", "content"),
            Difference("root", "/boot/grub/i386-pc/core.img", "content"),
        ),
    ),
    (
        lambda tree: os.setxattr(tree / "etc/hostname", "user.note", b"x"),
        (Difference("root", "", "file system (all files are the same)"),),
    ),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_what_was_changed_is_what_is_named(
    tmp_path: Path, change: Callable[[Path], object], expected: tuple[Difference, ...]
) -> None:
    tools = toolbox(tmp_path)
    raws = []
    for name in ("one", "two"):
        tree = plant(tmp_path / name)
        (tree / "etc").chmod(0o755)
        if name == "two":
            change(tree)
        raws.append(make(tree, tmp_path / f"{name}.raw", tools))
    work = tmp_path / "work"
    work.mkdir()
    assert differing_paths(*raws, arch="amd64", tools=tools, work=work) == expected


def test_what_lies_outside_of_partitions_is_seen(tmp_path: Path) -> None:
    raws = []
    for name in ("one", "two"):
        raw = tmp_path / name
        with raw.open("wb") as file:
            file.truncate(SIZE)
            # An empty partition of no difference, and three places around them.
            for offset in (100, 5000, SIZE - 512):
                file.seek(offset)
                file.write(name.encode())
        raws.append(raw)
    tools = toolbox(tmp_path)
    assert differing_paths(*raws, arch="amd64", tools=tools, work=tmp_path) == (
        Difference("disk", "", "boot sector"),
        Difference("disk", "", "partition table"),
        Difference("disk", "", "backup partition table"),
    )


def test_disks_of_different_size_are_not_looked_into(tmp_path: Path) -> None:
    for name, size in (("one", SIZE), ("two", SIZE + MIB)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    found = differing_paths(
        tmp_path / "one", tmp_path / "two", arch="amd64", tools=toolbox(tmp_path), work=tmp_path
    )
    assert [(one.partition, one.path) for one in found] == [("disk", "")]
