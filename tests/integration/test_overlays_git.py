# SPDX-License-Identifier: GPL-2.0-or-later
"""Overlays from git: the commit that was meant, or one sentence; and nothing of it is run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder import provenance
from builder.errors import InfrastructureError, UsageError
from builder.sites import git, outside

CLASS = "class: OURS\nkind: role\ntoken: ours\nsummary: Ours\norder: 700\n"
IDENTITY = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
NOBODY = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Repository:
    """A git repository with one class; `first` and `second` are its commits."""

    path: Path
    first: str
    second: str

    @property
    def url(self) -> str:
        return f"file://{self.path}"


def call(folder: Path, *words: str) -> str:
    """What git says, with nobody's configuration."""
    env = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{name}": "a@b" for name in IDENTITY},
    }
    return subprocess.run(
        ["git", "-C", str(folder), *words], env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path) -> str:
    call(folder, "add", "-A")
    call(folder, "commit", "-q", "-m", "x")
    return call(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "ours.git"
    (folder / "classes/OURS").mkdir(parents=True)
    (folder / "classes/OURS/class.yaml").write_text(CLASS)
    call(folder, "init", "-q", "-b", "main")
    first = commit(folder)
    (folder / "classes/OURS/README.md").write_text("# OURS\n")
    return Repository(folder, first, commit(folder))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_commit_is_fetched_once_and_is_there_without_the_repository(
    repository: Repository, kept: Path
) -> None:
    folder = git.at_commit(repository.url, repository.first, kept)
    assert (folder / "classes/OURS/class.yaml").read_text() == CLASS
    assert not (folder / "classes/OURS/README.md").exists()
    assert provenance.revision(folder) == provenance.Revision(repository.first, dirty=False)
    repository.path.rename(repository.path.with_name("gone"))
    assert git.at_commit(repository.url, repository.first, kept) == folder
    assert [path.name for path in kept.iterdir()] == [repository.first]


def test_a_changed_copy_is_fetched_again(repository: Repository, kept: Path) -> None:
    folder = git.at_commit(repository.url, repository.second, kept)
    (folder / "classes/OURS/class.yaml").write_text("changed")
    (folder / "classes/MORE").mkdir()
    (folder / "classes/MORE/class.yaml").write_text("more")
    again = git.at_commit(repository.url, repository.second, kept)
    assert (again / "classes/OURS/class.yaml").read_text() == CLASS
    assert not (again / "classes/MORE").exists()


def test_a_commit_that_does_not_exist(repository: Repository, kept: Path) -> None:
    with pytest.raises(UsageError) as caught:
        outside.gather([f"{repository.url}#{NOBODY}"], None, kept)
    assert caught.value.message == f"the overlay {repository.url} has no commit {NOBODY}"
    assert "git ls-remote" in caught.value.hint
    assert list(kept.iterdir()) == []


def test_a_repository_that_does_not_exist(kept: Path, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/nowhere"
    with pytest.raises(InfrastructureError, match="nowhere cannot be fetched") as caught:
        git.at_commit(url, NOBODY, kept)
    assert "git said:" in caught.value.hint


def test_a_tag_is_not_a_commit(repository: Repository, kept: Path) -> None:
    call(repository.path, "tag", "-a", "-m", "x", "v1")
    tag = call(repository.path, "rev-parse", "v1")
    with pytest.raises(UsageError, match="is not a commit"):
        git.at_commit(repository.url, tag, kept)


def test_nothing_of_the_repository_is_run(
    repository: Repository, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hooks and filters that the user has configured, nor submodules."""
    mark = tmp_path / "mark"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (hooks / "post-checkout").chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n\tautocrlf = true\n"
        f'[filter "x"]\n\tsmudge = touch {mark}; cat\n'
    )
    monkeypatch.setenv("HOME", str(home))
    (repository.path / ".gitattributes").write_text("class.yaml filter=x\n")
    (repository.path / ".gitmodules").write_text(
        '[submodule "x"]\n\tpath = classes/X\n\turl = ext::touch\n'
    )
    folder = git.at_commit(repository.url, commit(repository.path), kept)
    assert (folder / "classes/OURS/class.yaml").read_bytes() == CLASS.encode()
    assert not mark.exists()


def test_a_site_pins_an_overlay(repository: Repository, kept: Path, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        f"overlays:\n  - url: {repository.url}\n    commit: {repository.second}\n"
        f"  - folder: {repository.path}\n"
    )
    pinned, folder = outside.gather([f"{repository.url}#{repository.second}"], file, kept)
    assert (pinned.label, pinned.pin, pinned.origin) == ("ours", repository.second, repository.url)
    assert (folder.label, folder.path) == ("ours-2", repository.path)
