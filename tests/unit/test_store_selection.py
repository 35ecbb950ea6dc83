# SPDX-License-Identifier: GPL-2.0-or-later
"""Which builds a person means, and what is made for their publication."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.builds import Builds
from builder.errors import UsageError
from builder.store import companions
from builder.store.selection import select
from tests.unit.stores import build


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for name, serial in (
        ("debian-13", "20261101.9"),
        ("debian-13", "20261101.10"),
        ("debian-14", "20261102"),
    ):
        build(tmp_path / "out", serial, name=name)
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], ["debian-13-20261101.10", "debian-14-20261102"]),
        (["."], ["debian-13-20261101.10", "debian-14-20261102"]),
        (["debian-14", "debian-13"], ["debian-14-20261102", "debian-13-20261101.10"]),
        (
            ["trixie", "./debian-13/20261101.10", "."],
            ["debian-13-20261101.10", "debian-14-20261102"],
        ),
        (["debian-13-20261101.9"], ["debian-13-20261101.9"]),
        (["debian-13/20261101.9/"], ["debian-13-20261101.9"]),
    ],
)
def test_words(
    words: list[str], found: list[str], out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(out)
    assert [str(each) for each in select(words, Builds(out))] == found
    monkeypatch.chdir(tmp_path)
    assert all(each.folder.is_absolute() for each in select(["out"], Builds(out)))


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("debian-12", "there is no build of debian-12"),
        ("nobian-13", "nobian"),
        ("no/folder", "there is no folder no/folder"),
        ("empty", "there is no build in"),
        ("two", "two holds 2 manifests"),
    ],
)
def test_words_that_mean_nothing(
    word: str, error: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out)
    (out / "empty").mkdir()
    (out / "two").mkdir()
    for name in "ab":
        (out / f"two/{name}.manifest.json").touch()
    with pytest.raises(UsageError, match=error):
        select([word], Builds(out))


def test_reports_are_made_once(out: Path, tmp_path: Path) -> None:
    (built,) = select(["debian-14"], Builds(out))
    folder = tmp_path / "made"
    folder.mkdir()
    made = companions.make(built, folder)
    names = {path.name for path in made}
    assert {f"{built}.checks.xml", f"{built}.report.html", "README.md"} <= names
    assert all(path.stat().st_size > 0 for path in made)
    built.file(".report.html").write_text("the build's own")
    again = {path.name for path in companions.make(built, folder)}
    assert names - again == {f"{built}.report.html"}
    assert not (built.folder / f"{built}.checks.xml").exists()
