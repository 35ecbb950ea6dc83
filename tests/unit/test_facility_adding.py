# SPDX-License-Identifier: GPL-2.0-or-later
"""Custom images: which names and words they may have, and what is written of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.facility import adding, disks, uploading
from builder.facility.adding import Wish
from builder.facility.config import CUSTOM
from builder.manifest import document
from builder.manifest.imported import Imported
from builder.progress import NoProgress
from tests.unit.facilityworld import World, world
from tests.unit.stores import NOW, build
from tests.unit.test_facility_disks import header, image

IMAGES = """\
policies: {security: {summary: Security updates, when: [security]}}
images: [{name: debian-13-slim, formats: [qcow2]}]
"""
SHOWN = NoProgress()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "images.yaml").write_text(IMAGES)
    monkeypatch.setattr(
        disks, "look", lambda _path, format_: disks.Disk(format_, 1 << 30, "looked at")
    )
    return world(tmp_path, monkeypatch, {"series": [{"match": "debian-13"}]})


def add(here: World, wish: Wish) -> Imported:
    done = adding.add(here.site, wish, here.site.folder, NOW, SHOWN)
    path = here.site.store.place.root / done.folder / done.build.manifest.name
    found = document.load_any(path)
    assert isinstance(found, Imported)
    assert done.build.channel == CUSTOM
    return found


def test_an_image_is_taken_in(here: World, tmp_path: Path) -> None:
    file = image(tmp_path, header(), "Our Image.qcow2")
    wish = Wish(file, "appliance-1", title="Ours", arch="arm64", properties={"os_type": "linux"})
    found = add(here, wish)
    assert (found.name, found.serial, found.title) == ("appliance-1", "20261121", "Ours")
    assert (found.arch, found.distro, found.release) == ("arm64", "appliance", "1")
    assert found.properties == {"os_type": "linux"}
    assert found.virtual_size == 1 << 30
    assert found.origin.url == "Our Image.qcow2"
    assert [each.name for each in found.files] == ["appliance-1-20261121.qcow2"]
    assert file.exists()
    assert not list(here.site.incoming.glob("added/*"))


def test_serials_of_a_day_go_on(here: World, tmp_path: Path) -> None:
    serials = [
        add(here, Wish(image(tmp_path, header() + bytes([n])), "appliance-1")).serial
        for n in range(3)
    ]
    assert serials == ["20261121", "20261121.1", "20261121.2"]
    assert (
        add(here, Wish(image(tmp_path, header()), "appliance-1", "20261001")).serial == "20261001"
    )


def test_a_name_of_our_grammar_says_what_it_is(here: World, tmp_path: Path) -> None:
    found = add(here, Wish(image(tmp_path, header()), "debian-12-ours-arm64"))
    assert (found.distro, found.release, found.codename) == ("debian", "12", "bookworm")
    assert (found.roles, found.arch) == (("ours",), "arm64")
    assert found.title == "Debian 12 (bookworm), ours"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(Path("x"), "debian-13-slim"), "is an image of the project"),
        (Wish(Path("x"), "trixie-slim"), "is an image of the project"),
        (Wish(Path("x"), "debian-13"), "is a series that sync keeps here"),
        (Wish(Path("x"), "../x"), "cannot be the name"),
        (Wish(Path("x"), "Ours"), "cannot be the name"),
        (Wish(Path("x"), "appliance-20261121"), "ends in a serial"),
        (Wish(Path("x"), "debian-12-arm64", arch="amd64"), "is a name for arm64"),
    ],
)
def test_names_that_are_refused(here: World, wish: Wish, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        adding.add(here.site, wish, here.site.folder, NOW, SHOWN)
    assert said in caught.value.message


@pytest.mark.parametrize("serial", ["1", "20261340", "20261121.0", "2026112"])
def test_serials_that_are_refused(here: World, tmp_path: Path, serial: str) -> None:
    with pytest.raises(UsageError):
        add(here, Wish(image(tmp_path, header()), "appliance-1", serial))


def test_a_series_that_came_from_elsewhere_is_refused(here: World, tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261120", name="debian-12")
    here.site.store.admit(built.folder, "release", NOW, SHOWN)
    with pytest.raises(UsageError):
        adding.refuse_name(here.site, "debian-12", here.site.folder)
    with pytest.raises(UsageError) as caught:
        uploading.refuse(here.site, "debian-12")
    assert "come from a remote" in caught.value.message
    uploading.refuse(here.site, "debian-13")


def test_properties_are_words() -> None:
    assert adding.properties(["a=b", "hw_x:y=c=d"]) == {"a": "b", "hw_x:y": "c=d"}
    for word in ("a", "=b", "a b=c"):
        with pytest.raises(UsageError):
            adding.properties([word])


def test_a_build_is_uploaded_with_what_goes_beside_it(here: World, tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261120", name="debian-13-slim")
    done = uploading.upload(here.site, built, here.site.folder, NOW, SHOWN)
    assert (done.answer, done.build.channel) == ("published", CUSTOM)
    there = {path.name for path in (here.site.store.place.root / done.folder).iterdir()}
    assert "README.md" in there
    again = uploading.upload(here.site, built, here.site.folder, NOW, SHOWN)
    assert again.answer == "unchanged"


def test_a_serial_is_free_here_and_in_the_store(here: World, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def serial() -> str:
        return uploading.next_serial(here.site, out, "debian-13-slim", NOW)

    assert serial() == "20261121"
    built = build(tmp_path / "other", "20261121", name="debian-13-slim")
    uploading.upload(here.site, built, here.site.folder, NOW, SHOWN)
    assert serial() == "20261121.1"
    build(out, "20261121.1", name="debian-13-slim")
    assert serial() == "20261121.2"
