# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two trees."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.disk.compare import Difference, differing_files


def plant(top: Path) -> Path:
    """A small tree with modes and times that no umask and no clock changes."""
    (top / "etc/deep").mkdir(parents=True)
    (top / "etc/deep/file").write_text("content")
    (top / "etc/link").symlink_to("deep/file")
    (top / "etc/deep").chmod(0o755)
    (top / "etc/deep/file").chmod(0o644)
    for path in (top, *top.rglob("*")):
        os.utime(path, (1, 1), follow_symlinks=False)
    return top


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")
    os.utime(path, (1, 1), follow_symlinks=False)


CHANGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("etc/deep/file", lambda path: path.chmod(0o4755), "mode (0644 and 4755)"),
    ("etc/deep/file", lambda path: os.utime(path, (1, 2)), "mtime (1 and 2)"),
    ("etc/link", relink, "content"),
    ("etc/deep/file", put_folder, "type"),
    ("etc/deep", lambda path: path.chmod(0o700), "mode (0755 and 0700)"),
]


@pytest.mark.parametrize(("path", "change", "what"), CHANGES)
def test_one_change_is_one_difference(
    tmp_path: Path, path: str, change: Callable[[Path], object], what: str
) -> None:
    one, two = plant(tmp_path / "one"), plant(tmp_path / "two")
    change(two / path)
    found = differing_files(one, two)
    parents = {"/etc", "/etc/deep"} - {f"/{path}"}
    # Replacing a file also changes the mtime of its folder.
    assert [d for d in found if d.path not in parents] == [Difference("tree", f"/{path}", what)]


def test_the_same_length_and_mtime_do_not_hide_other_content(tmp_path: Path) -> None:
    one, two = plant(tmp_path / "one"), plant(tmp_path / "two")
    (two / "etc/deep/file").write_text("CONTENT")
    os.utime(two / "etc/deep/file", (1, 1))
    assert differing_files(one, two) == (Difference("tree", "/etc/deep/file", "content"),)


def test_what_only_one_has_is_said_once(tmp_path: Path) -> None:
    one, two = plant(tmp_path / "one"), plant(tmp_path / "two")
    (one / "first/below").mkdir(parents=True)
    (two / "second").touch()
    assert differing_files(one, two) == (
        Difference("tree", "/first", "only in the first"),
        Difference("tree", "/second", "only in the second"),
    )


def test_equal_trees_do_not_differ(tmp_path: Path) -> None:
    assert differing_files(plant(tmp_path / "one"), plant(tmp_path / "two")) == ()
