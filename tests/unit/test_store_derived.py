# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams and pages follow from the index: all of them, and no more of them than changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from builder.builds import Built
from builder.manifest import document
from builder.manifest.changes import Side, changelog
from builder.progress import NoProgress
from builder.store import companions
from builder.store.derived import MARKS, Derived
from builder.store.finder.facts import Why
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.publishing import Published, publish
from builder.store.writing import Publisher, refresh
from tests.unit.stores import NOW, Seal, build, publisher

STREAMS = {f"streams/v1/{name}" for name in ("index.json", "images.json")}
SIGNED = {path.replace(".json", ".sjson") for path in STREAMS}


class Watched(FolderPlace):
    """A folder that remembers what is written to it."""

    written: set[str]

    def write(self, path: str, content: bytes) -> None:
        self.written.add(path)
        super().write(path, content)


@pytest.fixture
def place(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path / "store")
    object.__setattr__(watched, "written", set())
    return watched


@pytest.fixture
def store(tmp_path: Path, place: Watched) -> Iterator[Publisher]:
    derived = Derived(place, Seal(), tmp_path / "documents", {"debian-13": "security"})
    yield replace(publisher(tmp_path), place=place, follow=derived.write)
    # Documents are kept by their digests, and whole.
    for path in (tmp_path / "documents").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def put(store: Publisher, built: Built, tmp_path: Path, before: Built | None = None) -> Published:
    """Publish a build with all that goes beside it."""
    made = tmp_path / f"made-{built}"
    made.mkdir(exist_ok=True)
    sides = [Side.of(document.load(each.manifest)) for each in (before, built) if each]
    log = changelog(*sides, impact=lambda _: None) if len(sides) == 2 else None
    parcel = gather(built, companions.make(built, made, log))
    return publish(store, parcel, "release", NOW, NoProgress())


def test_everything_is_there_and_written_once(
    store: Publisher, place: Watched, tmp_path: Path
) -> None:
    first, other = (
        build(tmp_path / "out", "20261101"),
        build(tmp_path / "out", "20261101", name="x"),
    )
    done = put(store, first, tmp_path)
    assert STREAMS | SIGNED | {"index.html", "debian-13/index.html", MARKS} <= place.written
    (image,) = done.build.images
    assert done.build.metadata is not None
    metadata = (place.root / done.folder / done.build.metadata.name).read_bytes()
    content = (place.root / done.folder / image.name).read_bytes()
    assert image.fingerprint == hashlib.sha256(metadata + content).hexdigest()
    streams = json.loads((place.root / "streams/v1/images.json").read_text())
    (product,) = streams["products"].values()
    assert image.fingerprint in json.dumps(product["versions"]["20261101"])
    assert "security" in (place.root / "index.html").read_text()

    place.written.clear()
    assert put(store, first, tmp_path).answer == "unchanged"
    assert place.written == set()

    put(store, other, tmp_path)
    assert "x/index.html" in place.written
    assert "debian-13/index.html" not in place.written
    assert STREAMS | SIGNED | {"index.html"} <= place.written


def test_the_page_tells_what_changed(store: Publisher, place: Watched, tmp_path: Path) -> None:
    first, second = (build(tmp_path / "out", serial) for serial in ("20261101", "20261102"))
    put(store, first, tmp_path)
    done = put(store, second, tmp_path, before=first)
    assert (place.root / done.folder / "debian-13-20261102.changelog.md").exists()
    assert "no package changed" in (place.root / "debian-13/index.html").read_text()


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"debian-13": 1}'])
def test_what_was_lost_is_written_again(
    store: Publisher, place: Watched, tmp_path: Path, damage: str
) -> None:
    built = build(tmp_path / "out", "20261101")
    put(store, built, tmp_path)
    (place.root / MARKS).write_text(damage)
    (place.root / "index.html").unlink()
    (place.root / "streams/v1/images.json").write_text("{}")
    place.written.clear()
    put(store, built, tmp_path)
    wanted = STREAMS | SIGNED | {"index.html", "debian-13/index.html", MARKS}
    assert place.written == wanted


def test_a_new_decision_or_day_changes_what_tells_of_it(
    store: Publisher, place: Watched, tmp_path: Path
) -> None:
    put(store, build(tmp_path / "out", "20261101"), tmp_path)
    place.written.clear()
    why = Why("skip", NOW, "security", "nothing changed")
    derived = Derived(
        place, Seal(), tmp_path / "documents", {"debian-13": "security"}, {"debian-13": why}
    )
    later = NOW + timedelta(days=3)
    refresh(replace(store, follow=derived.write), later)
    assert {"index.html", "debian-13/index.html"} <= place.written
    assert "nothing changed" in (place.root / "index.html").read_text()
