# SPDX-License-Identifier: GPL-2.0-or-later
"""Many images, few archives: each is refreshed once, and what fails for one stops no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import classes, names
from builder.archive import predict as predictor
from builder.archive.aptroot import AptRoot
from builder.archive.predict import Candidate
from builder.errors import ArchiveError, BuildError, ForgeError
from builder.install import fai
from builder.install.fai import Wanted
from builder.models import AptSource, Package
from builder.paths import Cache
from builder.planning.prospect import Ground, look, look_at
from builder.progress import NoProgress

PROJECT = Path(__file__).parents[2]
NAMES = [
    names.parse(name)
    for name in ("debian-13", "debian-13-slim", "debian-13-extras", "debian-12", "debian-sid")
]
FIXED = Package("openssl", "3-2", "amd64", "openssl", "3-2", origins=("Debian-Security:13/x",))


@pytest.fixture
def refreshed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The archives that are refreshed, one each for a codename; bookworm's fails."""
    seen: list[str] = []

    def root(_ground: Ground, spec: classes.ImageSpec) -> AptRoot:
        if spec.codename == "sid":
            raise BuildError("no sources")
        path = tmp_path / spec.codename
        path.mkdir(exist_ok=True)
        return AptRoot(path, spec.arch, ())

    def refresh(self: AptRoot) -> tuple[AptSource, ...]:
        seen.append(self.path.name)
        if self.path.name == "bookworm":
            raise ArchiveError("half updated")
        return ()

    def predict(_root: AptRoot, packages: tuple[str, ...], **_more: object) -> list[Candidate]:
        if packages == ("vim",):
            raise BuildError("no such package: vim")
        return [Candidate(FIXED, (), ("3-1", "3-2"))]

    def wanted(_config: Path, chosen: tuple[str, ...]) -> Wanted:
        return Wanted(("vim",) if "EXTRAS" in chosen else (), recommends=False)

    monkeypatch.setattr(Ground, "root", root)
    monkeypatch.setattr(AptRoot, "refresh", refresh)
    monkeypatch.setattr(AptRoot, "releases", lambda _root: (AptSource("u", "trixie", ()),))
    monkeypatch.setattr(predictor, "predict", predict)
    monkeypatch.setattr(fai, "wanted_packages", wanted)
    monkeypatch.setattr(fai, "preferences", lambda *_call: None)
    return seen


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    known = classes.load(classes.own_overlays(PROJECT))
    return Ground(PROJECT, known, Cache(tmp_path))


def test_each_archive_once_and_each_error_where_it_belongs(
    ground: Ground, refreshed: list[str]
) -> None:
    found = look_at(ground, NAMES, NoProgress())
    assert sorted(refreshed) == ["bookworm", "trixie"]
    assert list(found) == NAMES
    said = [
        each.message if isinstance(each, ForgeError) else each.packages for each in found.values()
    ]
    assert said == [(FIXED,), (FIXED,), "no such package: vim", "half updated", "no sources"]


def test_one_image(ground: Ground, refreshed: list[str]) -> None:
    seen = look(ground, NAMES[0])
    assert seen.name == "debian-13"
    assert seen.security == {"openssl": ("3-1", "3-2")}
    assert [each.suite for each in seen.releases] == ["trixie"]
    other = look(ground, NAMES[1])
    assert seen.config != other.config
    assert refreshed == ["trixie", "trixie"]
    with pytest.raises(ArchiveError, match="half updated"):
        look(ground, NAMES[3])
