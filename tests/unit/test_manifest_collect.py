# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of a tree as dpkg and apt tell them, digests of files, and the `.manifest` text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from builder.errors import BuildError
from builder.manifest import collect
from builder.manifest.text import binary_package

# Every case that dpkg-query(1) shows in its own way, and the two states that are no installation.
STATUS = """\
Package: zlib1g
Status: install ok installed
Architecture: i386
Multi-Arch: same
Source: zlib
Version: 1:1.3.dfsg+really1.3.1-1+b1

Package: zlib1g
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: zlib (1:1.3.dfsg+really1.3.1-1)
Version: 1:1.3.dfsg+really1.3.1-1+b1
Description: compression library
 Status: in a description means nothing
 .
 Package: neither

Package: wine32
Status: hold ok installed
Architecture: i386
Multi-Arch: foreign
Version: 10.0~repack-6

Package: python3
Status: install ok installed
Architecture: amd64
Multi-Arch: allowed
Source: python3-defaults
Version: 3.13.5-1

Package: libc++1
Status: install ok installed
Architecture: amd64
Version: 1:19.0-63

Package: adduser
Status: install ok installed
Architecture: all
Multi-Arch: foreign
Version: 3.152

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: half
Status: install ok half-configured
Architecture: amd64
Version: 1

Package: broken
Status: install reinstreq installed
Architecture: amd64
Version: 1
"""
# apt writes packages of architecture `all` with the native architecture.
STATES = """\
Package: adduser
Architecture: amd64
Auto-Installed: 1

Package: zlib1g
Architecture: i386
Auto-Installed: 1

Package: python3
Architecture: amd64
Auto-Installed: 0
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, text in ((collect.STATUS, STATUS), (collect.EXTENDED_STATES, STATES)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_only_installed_packages_by_name(tree: Path) -> None:
    assert [each.key for each in collect.packages(tree)] == [
        "adduser:all",
        "libc++1:amd64",
        "python3:amd64",
        "wine32:i386",
        "zlib1g:amd64",
        "zlib1g:i386",
    ]


def test_unfinished_packages(tree: Path) -> None:
    assert collect.unfinished(tree) == (
        "half: install ok half-configured",
        "broken: install reinstreq installed",
    )


def test_source_and_its_version(tree: Path) -> None:
    sources = {each.key: (each.source, each.source_version) for each in collect.packages(tree)}
    assert sources["zlib1g:amd64"] == ("zlib", "1:1.3.dfsg+really1.3.1-1")
    assert sources["zlib1g:i386"] == ("zlib", "1:1.3.dfsg+really1.3.1-1+b1")
    assert sources["python3:amd64"] == ("python3-defaults", "3.13.5-1")
    assert sources["adduser:all"] == ("adduser", "3.152")


def test_automatically_installed(tree: Path) -> None:
    assert [each.key for each in collect.packages(tree) if each.auto] == [
        "adduser:all",
        "zlib1g:i386",
    ]
    (tree / collect.EXTENDED_STATES).unlink()
    assert not any(each.auto for each in collect.packages(tree))


def test_origins_are_the_callers(tree: Path) -> None:
    origins = {("adduser", "3.152", "all"): ("Debian:trixie",), ("python3", "9", "amd64"): ("x",)}
    found = {each.name: each.origins for each in collect.packages(tree, origins)}
    assert found["adduser"] == ("Debian:trixie",)
    assert found["python3"] == ()


def test_manifest_entries(tree: Path) -> None:
    entries = collect.entries(collect.packages(tree), {"adduser:all": True, "python3:amd64": False})
    assert {each.name: each.in_stable for each in entries} == {
        "adduser": True,
        "libc++1": None,
        "python3": False,
        "wine32": None,
        "zlib1g": None,
    }
    assert entries[0].model_dump() == {
        "name": "adduser",
        "version": "3.152",
        "arch": "all",
        "source": "adduser",
        "source_version": "3.152",
        "multi_arch": "foreign",
        "origins": (),
        "in_stable": True,
        "auto": True,
    }


def test_text_is_what_dpkg_query_shows(tree: Path) -> None:
    entries = collect.entries(collect.packages(tree))
    # Seen in the output of dpkg-query 1.21 for this status file.
    assert [binary_package(each, "amd64") for each in entries] == [
        "adduser",
        "libc++1",
        "python3",
        "wine32:i386",
        "zlib1g:amd64",
        "zlib1g:i386",
    ]


def test_tree_without_packages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="var/lib/dpkg/status") as caught:
        collect.packages(tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 5000])
def test_digests_of_files(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A small block, so that whole, partial and several blocks are all read.
    monkeypatch.setattr(collect, "CHUNK", 1000)
    content = bytes(number * 7 % 251 for number in range(size))
    path = tmp_path / "debian-13-20261120.raw"
    path.write_bytes(content)
    (found,) = collect.describe_files([collect.Produced(path, "raw", reproducible=True)])
    assert found.name == "debian-13-20261120.raw"
    assert (found.format, found.size, found.reproducible) == ("raw", size, True)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.sha512 == hashlib.sha512(content).hexdigest()


def test_installed_bytes_are_blocks_with_hard_links_once(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "small").write_bytes(b"x")
    (tmp_path / "usr" / "empty").touch()
    (tmp_path / "usr" / "large").write_bytes(bytes(2 * 4096 + 1))
    (tmp_path / "usr" / "again").hardlink_to(tmp_path / "usr" / "large")
    (tmp_path / "short").symlink_to("usr")
    (tmp_path / "long").symlink_to("x" * 60)
    # a folder, a small file, three blocks, a symlink that has a block of its own
    assert collect.installed_bytes(tmp_path) == (1 + 1 + 3 + 1) * 4096
