# SPDX-License-Identifier: GPL-2.0-or-later
"""The times of a tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.disk.normalise import clamp_times

EPOCH = 1_700_000_000


def times(path: Path) -> tuple[int, int]:
    info = path.lstat()
    return info.st_atime_ns, info.st_mtime_ns


BOTH = (EPOCH * 10**9, EPOCH * 10**9)


def test_what_is_younger_becomes_the_epoch(tmp_path: Path) -> None:
    (tmp_path / "folder/below").mkdir(parents=True)
    (tmp_path / "folder/file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    clamp_times(tmp_path, EPOCH)
    for name in (".", "folder", "folder/below", "folder/file", "link"):
        assert times(tmp_path / name) == BOTH, name


def test_what_is_older_keeps_its_mtime_in_whole_seconds(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.touch()
    os.utime(old, ns=(5, 1_000_000_000_999_999_999))
    clamp_times(tmp_path, EPOCH)
    assert times(old) == (EPOCH * 10**9, 1_000_000_000 * 10**9)


def test_a_links_target_outside_of_the_tree_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    before = times(outside)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    clamp_times(tree, EPOCH)
    assert times(outside) == before


def test_hard_links_are_clamped_and_stay_one_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    clamp_times(tmp_path, EPOCH)
    assert (tmp_path / "a").samefile(tmp_path / "b")
    assert times(tmp_path / "b") == BOTH


@pytest.mark.parametrize("name", ["plain", "with\nnewline", "é", os.fsdecode(b"\xff")])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    clamp_times(tmp_path, EPOCH)
    assert times(tmp_path / name) == BOTH
