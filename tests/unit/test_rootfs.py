# SPDX-License-Identifier: GPL-2.0-or-later
"""Base files and tools trees in the cache: named by what is in them, and checked each time."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.archive.aptroot import AptRoot
from builder.archive.pool import Supply
from builder.archive.predict import Candidate
from builder.archive.sources import Source
from builder.errors import BuildError
from builder.install import rootfs as module
from builder.install.rootfs import Recipe, Rootfs, cached, make
from builder.install.workspace import Workspace
from builder.models import Package
from builder.run import CommandError, Completed

PACKAGE = Package("libc6", "2.41", "amd64", "glibc", "2.41", size=1, sha256="aa")
RECIPE = Recipe("trixie", "minbase", (), (Candidate(PACKAGE, ("pool/libc6.deb",)),), 1_700_000_000)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    space = Workspace(tmp_path / "work")
    space.scratch.mkdir(parents=True)
    return space


@pytest.fixture
def supply(tmp_path: Path) -> Supply:
    source = Source("mirror+file:/x", ("trixie",), ("main",), "/key.gpg")
    root = AptRoot(tmp_path / "apt", "arm64", ())
    return Supply(root, (), (source,), tmp_path / "lists", tmp_path / "mirrors", tmp_path / "pool")


@pytest.fixture
def argv(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of the last mmdebstrap, which writes "tarball"."""
    seen: list[str] = []

    def writes(words: list[str], **_more: Any) -> Completed:
        seen[:] = words
        Path(words[-2]).write_text("tarball")
        return Completed(tuple(words), 0, "")

    monkeypatch.setattr(module, "run", writes)
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    return seen


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, suite="bookworm"),
        replace(RECIPE, variant="essential"),
        replace(RECIPE, epoch=RECIPE.epoch + 1),
        replace(RECIPE, only=("/usr/bin/qemu-aarch64",)),
        replace(RECIPE, candidates=()),
        replace(RECIPE, candidates=(Candidate(replace(PACKAGE, sha256="ab"), ("p",)),)),
        replace(RECIPE, candidates=(Candidate(replace(PACKAGE, arch="arm64"), ("p",)),)),
    ],
)
def test_all_that_decides_the_bytes_is_in_the_digest(other: Recipe) -> None:
    assert other.digest != RECIPE.digest


def test_where_the_archive_keeps_a_package_is_not() -> None:
    moved = replace(RECIPE, candidates=(Candidate(PACKAGE, ("elsewhere/libc6.deb",)),))
    assert moved.digest == RECIPE.digest


def test_a_new_version_of_the_command_makes_all_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RECIPE.digest
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert RECIPE.digest != before


def test_made_once_and_found_again(
    argv: list[str], supply: Supply, space: Workspace, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    assert cached(cache, RECIPE) is None
    made = make(cache, RECIPE, supply, space)
    assert made.digest == hashlib.sha256(b"tarball").hexdigest()
    assert cached(cache, RECIPE) == made
    assert cached(cache, replace(RECIPE, epoch=1)) is None
    assert {path.name for path in cache.iterdir()} == {
        made.tarball.name,
        f"{made.tarball.name}.json",
    }
    assert "--architectures=arm64" in argv
    assert "--variant=minbase" in argv
    assert argv[-3] == "trixie"


def test_nothing_but_some_paths_is_kept(
    argv: list[str], supply: Supply, space: Workspace, tmp_path: Path
) -> None:
    make(
        tmp_path,
        replace(RECIPE, variant="extract", only=("/usr/bin/a", "/usr/bin/b")),
        supply,
        space,
    )
    options = [word.partition("=")[2] for word in argv if word.startswith("--dpkgopt=")]
    assert options == ["path-exclude=/*", "path-include=/usr/bin/a", "path-include=/usr/bin/b"]


def test_use_is_noted_for_the_cleaning(
    argv: list[str], supply: Supply, space: Workspace, tmp_path: Path
) -> None:
    made = make(tmp_path, RECIPE, supply, space)
    os.utime(made.tarball, (1, 1))
    cached(tmp_path, RECIPE)
    assert made.tarball.stat().st_mtime > 1
    assert argv


@pytest.mark.parametrize(
    "damage",
    [
        lambda made: made.tarball.write_text("tarbalL"),
        lambda made: made.tarball.write_text(""),
        lambda made: made.tarball.unlink(),
        lambda made: Path(f"{made.tarball}.json").unlink(),
        lambda made: Path(f"{made.tarball}.json").write_text(""),
        lambda made: Path(f"{made.tarball}.json").write_text("{}"),
        lambda made: Path(f"{made.tarball}.json").write_text("[]"),
        lambda made: Path(f"{made.tarball}.json").write_bytes(b"\xff\xfe"),
        lambda made: Path(f"{made.tarball}.json").write_text(json.dumps({"sha256": "0"})),
    ],
)
def test_what_is_damaged_is_not_used(
    argv: list[str], supply: Supply, space: Workspace, tmp_path: Path, damage: Any
) -> None:
    damage(make(tmp_path / "cache", RECIPE, supply, space))
    assert cached(tmp_path / "cache", RECIPE) is None
    # And it is made again in its place.
    made: Rootfs = make(tmp_path / "cache", RECIPE, supply, space)
    assert cached(tmp_path / "cache", RECIPE) == made
    assert argv


def test_a_failure_leaves_nothing_in_the_cache(
    supply: Supply, space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(words: list[str], **_more: Any) -> Completed:
        Path(words[-2]).write_text("half")
        raise CommandError(Completed(tuple(words), 25, "E: mmdebstrap failed to run\n"))

    monkeypatch.setattr(module, "run", fails)
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    with pytest.raises(BuildError, match="root file system of trixie for arm64") as caught:
        make(tmp_path / "cache", RECIPE, supply, space)
    assert caught.value.hint == "E: mmdebstrap failed to run"
    assert list((tmp_path / "cache").iterdir()) == []
