# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge pull`, `sync` and `push` with real keys: a portal, a site, and a site of that site."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder import cli, paths
from builder.facility.config import VARIABLE
from builder.facility.pulling import pull
from builder.facility.pushing import own, push
from builder.facility.refs import parse
from builder.facility.site import Site
from builder.progress import NoProgress
from builder.store.folder import FolderPlace
from builder.store.keys import KEY_VARIABLE
from builder.store.memory import Memory
from builder.store.writing import Publisher
from tests.integration.placeworlds import World
from tests.integration.signing import KeyHome, key_home
from tests.unit.facilities import look, now, portal, site, source
from tests.unit.stores import NOW, Seal, build

NAME = "debian-13"
FIRST, SECOND = "20261120", "20261121"

SITE = """\
apiVersion: fai-forge/v1
kind: Facility
name: {name}
store: {{path: images, key: {key}}}
remotes:
  above: {{kind: store, url: {url}, keyring: above.gpg}}
series:
  - match: debian-13*
    keep: 1
"""


@dataclass(frozen=True)
class Country:
    """A portal, and two sites below it; each has a key."""

    root: Path
    keys: dict[str, str]

    def publish(self, serial: str, *more: str) -> None:
        built = build(self.root / "out", serial, image=serial.encode() * 1000)
        argv = ["publish", str(built.folder), "--to", str(self.root / "portal")]
        assert cli.main([*argv, "--key", self.keys["portal"], *more]) == 0

    def settle(self, home: KeyHome, name: str, url: Path, above: str) -> Path:
        """The configuration of a site that takes images from another store."""
        folder = self.root / name
        folder.mkdir()
        (folder / "above.gpg").write_bytes(home.export(self.keys[above]))
        file = folder / "facility.yaml"
        file.write_text(SITE.format(name=name, key=self.keys[name], url=url))
        return file

    def images(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.root / name / "images").rglob("*.qcow2"))


@pytest.fixture
def country(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Country]:
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(paths.STATE_VARIABLE, str(tmp_path / "state"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with key_home() as home:
        keys = {name: home.make(f"{name}@example.org") for name in ("portal", "north", "south")}
        made = Country(tmp_path, keys)
        file = made.settle(home, "north", tmp_path / "portal", "portal")
        made.settle(home, "south", tmp_path / "north/images", "north")
        monkeypatch.setenv(VARIABLE, str(file))
        yield made


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(argv) == code
    return capsys.readouterr().out


def answered(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    return json.loads(said(capsys, *argv, "--json", code=code))


def test_from_a_portal_to_a_site_and_on_to_the_next(
    country: Country, capsys: pytest.CaptureFixture[str]
) -> None:
    country.publish(FIRST)
    planned = answered(capsys, "sync", "--dry-run")
    assert (planned["done"], [each["action"] for each in planned["steps"]]) == (False, ["pull"])
    assert not (country.root / "north/images").exists()

    text = said(capsys, "sync")
    assert text.splitlines()[-1].startswith("pulled: 1, removed: 0, placed: 0, withdrawn: 0; ")
    assert said(capsys, "sync", "--exit-code", code=5).splitlines()[1].split()[:2] == [
        f"{NAME}-{FIRST}",
        "keep",
    ]
    south = str(country.root / "south/facility.yaml")
    assert not answered(capsys, "sync", "--facility", south)["failed"]
    assert country.images("south") == [f"{NAME}-{FIRST}.qcow2"]

    country.publish(SECOND)
    done = answered(capsys, "sync")
    assert [(each["action"], each["outcome"]) for each in done["steps"]] == [
        ("pull", "done"),
        ("remove", "done"),
    ]
    assert country.images("north") == [f"{NAME}-{SECOND}.qcow2"]

    found = answered(capsys, "pull", f"{NAME}:{FIRST}")
    assert (found["answer"], found["remote"]) == ("pulled", "above")
    assert answered(capsys, "pull", NAME)["answer"] == "unchanged"
    assert country.images("north") == [f"{NAME}-{FIRST}.qcow2", f"{NAME}-{SECOND}.qcow2"]


def test_without_a_facility(
    country: Country, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    country.publish(FIRST)
    monkeypatch.setenv(VARIABLE, str(country.root / "none.yaml"))
    address = ["--from", str(country.root / "portal")]
    into = ["--into", str(country.root / "plain")]
    keyring = ["--keyring", str(country.root / "north/above.gpg")]
    found = answered(capsys, "pull", NAME, *address, *keyring, *into)
    assert found["folder"] == str(country.root / f"plain/{NAME}/{FIRST}")
    assert Path(found["folder"], f"{NAME}-{FIRST}.qcow2").read_bytes() == FIRST.encode() * 1000

    assert cli.main(["pull", NAME, *address, *into]) == 2
    assert "needs a keyring" in capsys.readouterr().err
    assert cli.main(["pull", NAME, *address, *keyring]) == 2
    assert "none.yaml" in capsys.readouterr().err
    other = ["--keyring", str(country.root / "south/above.gpg")]
    assert cli.main(["pull", NAME, *address, *other, *into]) == 4
    assert "is signed with a key that is not in the keyring" in capsys.readouterr().err
    assert cli.main(["pull", NAME, *address, *keyring, *into, "--format", "raw"]) == 2
    assert "as qcow2, and not as raw" in capsys.readouterr().err


def test_a_build_goes_back_up(country: Country, capsys: pytest.CaptureFixture[str]) -> None:
    country.publish(FIRST)
    said(capsys, "sync")
    key = ["--key", country.keys["portal"]]
    other = str(country.root / "archive")
    (pushed,) = answered(capsys, "push", NAME, "--to", other, *key)
    assert (pushed["answer"], pushed["folder"]) == ("pushed", f"{NAME}/{FIRST}")
    (again,) = answered(capsys, "push", f"{NAME}:{FIRST}", "--to", other, *key)
    assert again["answer"] == "unchanged"
    # Back where it is from: nothing to do, by its content.
    assert "already" in said(capsys, "push", NAME, "--to", str(country.root / "portal"), *key)
    ours, theirs = (
        {path.name for path in (country.root / folder / NAME / FIRST).iterdir()}
        for folder in ("portal", "archive")
    )
    assert ours == theirs
    assert cli.main(["push", "debian-12", "--to", other, *key]) == 2
    assert cli.main(["push", NAME, "--from", str(country.root / "out"), "--to", other, *key]) == 2
    assert "is a folder of builds, and no store" in capsys.readouterr().err


def test_a_custom_image_stays_at_its_site(
    country: Country, capsys: pytest.CaptureFixture[str]
) -> None:

    built = build(country.root / "out", FIRST)
    Site.read(None).store.admit(built.folder, "custom", NOW, NoProgress())
    argv = ["push", NAME, "--to", str(country.root / "portal"), "--key", country.keys["portal"]]
    assert cli.main(argv) == 2
    assert "is a custom image of north, and stays at its site" in capsys.readouterr().err
    assert not (country.root / "portal").exists()
    south = str(country.root / "south/facility.yaml")
    assert cli.main(["pull", NAME, "--facility", south]) == 2
    assert "stays at its site" in capsys.readouterr().err
    assert cli.main(["sync", "--facility", south]) == 0
    assert country.images("south") == []


def test_a_remote_that_is_down(country: Country, capsys: pytest.CaptureFixture[str]) -> None:
    country.publish(FIRST)
    shutil.move(country.root / "portal", country.root / "away")
    assert "above: there is no folder" in said(capsys, "sync", code=4)
    assert cli.main(["pull", NAME]) == 4
    assert "there is no folder" in capsys.readouterr().err
    assert cli.main(["sync", "--from", "below"]) == 2
    assert "there is no remote below" in capsys.readouterr().err


def test_pushing_to_places_of_all_kinds(world: World, tmp_path: Path) -> None:
    """And pulling from them again; the second push moves nothing."""

    north, south = site(tmp_path / "north"), site(tmp_path / "south", name="south")
    portal(tmp_path, FIRST, b"image" * 1000)

    portal_of_north = source("portal", FolderPlace(tmp_path / "store"), north)
    pull(north, [portal_of_north], parse(NAME), now(), NoProgress())
    publisher = Publisher(world.place, Seal(), Seal(), Memory(tmp_path / "publisher"))
    work = tmp_path / "work"

    def pushed() -> str:
        return push(own(north), publisher, parse(NAME), work, now(), NoProgress()).answer

    assert pushed() == "pushed"
    assert not [path for path in work.rglob("*") if path.is_file()]
    before = world.sent()
    assert pushed() == "unchanged"
    # The lock of a place that has no other.
    assert world.sent() - before < 2000
    pull(south, [source("portal", world.again(), south)], parse(NAME), now(), NoProgress())
    assert look(south) == {FIRST: "public"}
