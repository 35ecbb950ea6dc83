# SPDX-License-Identifier: GPL-2.0-or-later
"""What words name the two sides of a comparison, and what is said of words that name none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.builds import Builds
from builder.errors import UsageError
from builder.manifest import document, model
from builder.models import AptSource, Package
from builder.planning import sides
from builder.policy.facts import Prospect
from tests.unit import worlds

WHEN = datetime(2026, 11, 20, 3, tzinfo=UTC)
OLDER = datetime(2026, 9, 12, tzinfo=UTC)


def manifest(name: str, serial: str) -> model.Manifest:
    return worlds.manifest((), WHEN, ()).model_copy(update={"name": name, "serial": serial})


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    for name, serial in (
        ("debian-13", "20261101"),
        ("debian-13", "20261120.1"),
        ("debian-13-cloud", "20261101"),
    ):
        folder = tmp_path / "out" / name / serial
        folder.mkdir(parents=True)
        text = document.dump(manifest(name, serial))
        (folder / f"{name}-{serial}.manifest.json").write_text(text)
    (tmp_path / "debian-12").mkdir()
    monkeypatch.chdir(tmp_path)
    return Builds(tmp_path / "out")


OLD, NEW, CLOUD = "debian-13-20261101", "debian-13-20261120.1", "debian-13-cloud-20261101"
FILE = "out/debian-13/20261101/debian-13-20261101.manifest.json"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((OLD, NEW), (OLD, NEW)),
        ((FILE, "out/debian-13/20261120.1"), (OLD, NEW)),
        (("debian-13-20261101", "debian-13"), (OLD, NEW)),
        (("trixie", "trixie-cloud"), (NEW, CLOUD)),
        (("20261101", "debian-13"), (OLD, NEW)),
        (("debian-13-20261101", "20261120.1"), (OLD, NEW)),
        ((FILE, "20261120.1"), (OLD, NEW)),
        (("debian-13", "archive"), (NEW, None)),
        (("archive", "debian-13-20261101"), (None, OLD)),
        (("debian-13", "debian-13"), (NEW, NEW)),
    ],
)
def test_words(
    built: Builds, words: tuple[str, str], expected: tuple[str | None, str | None]
) -> None:
    found = sides.manifests(*words, built)
    assert tuple(each and f"{each.name}-{each.serial}" for each in found) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("archive", "archive"), "archive and archive do not say which image"),
        (("20261101", "20261120.1"), "do not say which image"),
        (("20261101", "archive"), "do not say which image"),
        (("debian-13", "20261102"), "no build of debian-13-20261102"),
        (("debain-13", "debian-13"), "did you mean debian"),
        (("debian-14", "debian-13"), "no such file or folder, and there is no build of debian-14"),
        (("debian-12", "debian-13"), "the folder holds no manifests .*, and there is no build"),
        (("out/debian-13", "debian-13"), "out/debian-13 is no build: the folder holds no manifest"),
        (("./gone.json", "debian-13"), "./gone.json is no build: there is no such file or folder$"),
        (("debian-13-202611", "debian-13"), "202611 is a tag"),
        (("debian-13", "20269999"), "20269999 is no date"),
    ],
)
def test_words_that_are_none(built: Builds, words: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        sides.manifests(*words, built)
    assert "debian-13-20261" in caught.value.hint


def test_a_folder_with_two_manifests_is_no_build(built: Builds) -> None:
    folder = built.root / "debian-13/20261101"
    (folder / "other.manifest.json").write_text("{}")
    with pytest.raises(UsageError, match="holds 2 manifests"):
        sides.manifests(str(folder), "debian-13", built)


def test_the_side_of_the_archive() -> None:
    releases = (
        AptSource("http://mirror.invalid", "trixie", ("main",), date=WHEN, version="13.2"),
        AptSource("http://mirror.invalid", "sid", ("main",)),
        AptSource("http://mirror.invalid", "updates", ("main",), date=OLDER, version="13"),
    )
    less = Package("less", "1", "amd64", "less", "1")
    prospect = Prospect("debian-13", (less,), releases, "d" * 64, "0.2", {"less": ("1",)})
    side = sides.side(prospect, "Debian 13")
    assert side.end.model_dump() == {
        "name": "debian-13",
        "serial": "archive",
        "title": "Debian 13",
        "date": WHEN,
    }
    assert side.suites == {"trixie": "13.2", "sid": "", "updates": "13"}
    assert (side.packages, side.security) == ((less,), {"less": ("1",)})
    assert (side.config, side.tool, side.files) == ("d" * 64, "0.2", None)
