# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree is looked at from inside: its symlinks never lead to the machine that checks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.checks.rootfs import Rootfs


@pytest.fixture
def root(tmp_path: Path) -> Rootfs:
    (tmp_path / "outside").write_text("the host's")
    tree = tmp_path / "tree"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "lib").symlink_to("usr/lib")
    (tree / "usr/lib/os-release").write_text("inside\n")
    (tree / "etc/os-release").symlink_to("../usr/lib/os-release")
    (tree / "etc/absolute").symlink_to("/lib/os-release")
    (tree / "etc/passwd").symlink_to("/etc/group")
    (tree / "etc/above").symlink_to("../../../../outside")
    (tree / "etc/host").symlink_to(tmp_path / "outside")
    (tree / "etc/loop").symlink_to("loop")
    return Rootfs(tree)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("usr/lib/os-release", "inside\n"),
        ("/lib/os-release", "inside\n"),
        ("etc/os-release", "inside\n"),
        ("etc/absolute", "inside\n"),
        ("etc/../lib/./os-release", "inside\n"),
        ("../../lib/os-release", "inside\n"),
        ("etc/passwd", None),
        ("etc/above", None),
        ("etc/host", None),
        ("etc/loop", None),
        ("etc", None),
        ("nowhere/at/all", None),
        ("usr/lib/os-release/x", None),
    ],
)
def test_text_follows_links_inside_only(root: Rootfs, path: str, text: str | None) -> None:
    assert root.text(path) == text
    assert root.size(path) == len(text or "")


def test_links_exist_even_if_they_dangle(root: Rootfs) -> None:
    assert root.exists("etc/passwd")
    assert root.link("etc/passwd") == "/etc/group"
    assert not root.exists("etc/group")
    assert root.link("usr/lib/os-release") is None
    assert root.link("nowhere/x") is None
    assert not root.exists("nowhere/x")


def test_glob_follows_the_folder(root: Rootfs) -> None:
    assert root.glob("lib/os-*") == ("lib/os-release",)
    assert root.glob("/etc/os-*") == ("etc/os-release",)
    assert root.glob("nowhere/*") == ()
    assert root.glob("etc/host/*") == ()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/usr/*/os-*", ("usr/lib/os-release",)),
        ("/**/os-release", ("etc/os-release", "usr/lib/os-release")),
        ("/usr/**/os-release", ("usr/lib/os-release",)),
        ("/lib/**/os-*", ("lib/os-release",)),
        ("/etc/**/group", ()),
        ("/*/above", ("etc/above",)),
        ("/etc/host", ("etc/host",)),
        ("/[el]*", ("etc", "lib")),
        ("/etc/none", ()),
        ("/etc/passwd/x", ()),
    ],
)
def test_glob_takes_wildcards_in_every_part(
    root: Rootfs, pattern: str, found: tuple[str, ...]
) -> None:
    assert root.glob(pattern) == found


def test_entries_are_sorted_and_start_with_the_tree_itself(root: Rootfs) -> None:
    paths = [entry.path for entry in root.entries]
    assert paths[:2] == ["", "etc"]
    assert paths == sorted(paths)
    assert [entry.path for entry in root.under("usr/lib")] == ["usr/lib", "usr/lib/os-release"]
    assert not any(entry.path.startswith("lib/") for entry in root.entries)
