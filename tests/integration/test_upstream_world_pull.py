# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream pull --all` from all upstreams behind one nginx: all, nothing, and three."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder import cli, paths
from builder.manifest import document
from builder.manifest.imported import Imported
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.index import Build, StoreIndex, folder
from builder.store.keys import KEY_VARIABLE
from builder.store.memory import Memory
from tests.upstreamworld import Newest, Served, Told, served, sha256
from tests.upstreamworld_others import OFFLINE_TOKEN, RHEL_LOGIN, RULES
from tests.upstreamworld_sources import copies, new_version, new_world

MISSING = {"sles-15-arm64", "sles-16-arm64"}
# What a server makes for each request, and has no ETag of.
MADE_EACH_TIME = (RHEL_LOGIN,)


@dataclass(frozen=True)
class Site:
    """Somebody with a store, who pulls from the world."""

    served: Served
    root: Path
    key: str
    say: Callable[[], str]

    def pull(self, *words: str) -> dict[str, Any]:
        """What `upstream pull` says of a run without failures."""
        hosts = sorted(path.name for path in self.served.world.www.iterdir())
        base = self.served.instead["https://"]
        instead = [f"--instead=https://{host}/={base}{host}/" for host in hosts]
        to = ("--to", str(self.root / "store"), "--upstreams", str(self.root / "upstreams"))
        code = cli.main(["upstream", "pull", *words, *to, *instead, "--json"])
        said: dict[str, Any] = json.loads(self.say())
        wrong = [each["reason"] for each in said["images"] if each["answer"] == "failed"]
        assert [*wrong, *said["errors"]] == []
        assert (code, said["failed"]) == (0, False)
        return said

    def index(self) -> Mapping[str, tuple[Build, ...]]:
        """The public builds of the store, by series."""
        ring = self.served.world.keys.home.export(self.key)
        index: StoreIndex = reading.read(
            FolderPlace(self.root / "store"),
            keys.Keyring(ring, "the store's key"),
            Memory(self.root / "reader"),
            datetime.now(UTC),
        )
        return {
            each.name: tuple(build for build in each.builds if build.state == "public")
            for each in index.series
        }

    def manifest(self, name: str, build: Build) -> Imported:
        place = self.root / "store" / folder(name, build)
        found = document.load_any(place / build.manifest.name)
        assert isinstance(found, Imported)
        return found

    def image(self, name: str, build: Build) -> bytes:
        (image,) = build.images
        return (self.root / "store" / folder(name, build) / image.name).read_bytes()


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    with new_world(tmp_path / "world") as world:
        copies(world, tmp_path / "upstreams")
        key = world.keys.fingerprint("store")
        monkeypatch.setenv(KEY_VARIABLE, key)
        monkeypatch.setenv("RHEL_OFFLINE_TOKEN", OFFLINE_TOKEN)
        for variable in (paths.CACHE_VARIABLE, paths.STATE_VARIABLE):
            monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
        with served(world, tmp_path / "nginx", RULES) as answering:
            yield Site(answering, tmp_path, key, lambda: capsys.readouterr().out)


def test_all_then_nothing_then_three(site: Site) -> None:
    world = site.served.world
    first = site.pull("--all")
    answers = {each["name"]: each["answer"] for each in first["images"]}
    assert answers == dict.fromkeys(world.newest, "pulled") | dict.fromkeys(MISSING, "skipped")
    builds = site.index()
    assert set(builds) == set(world.newest)
    for name, wanted in world.newest.items():
        (build,) = builds[name]
        check(site, name, build, wanted)
    # Each image came once, whole.
    come = images(site.served.told())
    assert len(come) == len([each for each in world.newest.values() if "://" in each.url]) - 4
    assert sum(come.values()) == sum(
        len(each.content) for each in world.newest.values() if not each.url.startswith("file:")
    )
    assert first["transferred"] == sum(len(each.content) for each in world.newest.values())

    before = len(site.served.told())
    second = site.pull("--all")
    again = site.served.told()[before:]
    assert {each["answer"] for each in second["images"]} == {"unchanged", "skipped"}
    assert (second["transferred"], images(again)) == (0, {})
    assert site.index() == builds
    # Nothing that has an ETag is sent again: what is, are lists of folders, and a token.
    sent = {each.path for each in again if each.status == 200 and each.method != "HEAD"}
    assert {path for path in sent if not path.endswith("/")} == {f"/{RHEL_LOGIN}"}
    asked = [each for each in again if each.condition]
    assert [each.path for each in asked if each.status != 304] == []
    assert len(asked) > 30

    # The oldest of four goes.
    for _ in range(2):
        new_version(world, "almalinux", "alma-10")
        site.pull("alma-10")
    three = {
        "alma-10": "almalinux",
        "debian-13-genericcloud-arm64": "debian",
        "arch-rolling": "arch",
    }
    for name, source in three.items():
        new_version(world, source, name)
    before = len(site.served.told())
    third = site.pull("--all")
    pulled = {each["name"] for each in third["images"] if each["answer"] == "pulled"}
    assert pulled == set(three)
    come = images(site.served.told()[before:])
    assert come.keys() == {path_of(world.newest[name].url) for name in three}
    assert third["transferred"] == sum(come.values())
    now = site.index()
    assert {name for name in now if now[name] != builds[name]} == set(three)
    for name in three:
        check(site, name, now[name][-1], world.newest[name])
    assert [len(now[name]) for name in three] == [3, 2, 2]
    (gone,) = third["removed"]
    assert (gone["name"], gone["serial"]) == ("alma-10", builds["alma-10"][0].serial)
    # Its manifest stays.
    assert not list((site.root / "store/alma-10").rglob(f"*{gone['serial']}*.qcow2"))


def path_of(url: str) -> str:
    return url.removeprefix("https:/")


def images(told: list[Told] | Any) -> dict[str, int]:
    """The bytes of images that were sent, by their paths."""
    found: dict[str, int] = {}
    for each in told:
        if each.is_image and each.method == "GET" and each.status in (200, 206):
            found[each.path] = found.get(each.path, 0) + each.size
    return found


def check(site: Site, name: str, build: Build, wanted: Newest) -> None:
    """An image is what its makers have, and its manifest says so."""
    assert (build.serial, build.channel) == (wanted.serial, "upstream")
    assert sha256(site.image(name, build)) == sha256(wanted.content)
    manifest = site.manifest(name, build)
    origin = manifest.origin
    assert origin.version == wanted.version
    assert origin.signed_by == wanted.signed_by
    assert f"{origin.date:%Y%m%d}" == wanted.serial[:8]
    properties = manifest.properties
    for key in ("os_distro", "os_version", "architecture", "min_disk", "min_ram", "os_purpose",
                "image_build_date", "image_original_user", "replace_frequency", "uuid_validity",
                "provided_until", "image_source", "image_description", "hw_disk_bus"):  # fmt: skip
        assert properties[key], key
        assert "{" not in properties[key]
    assert properties["image_build_date"] == f"{origin.date:%Y-%m-%d}"
    assert properties["uuid_validity"] == "last-3"
    assert (manifest.virtual_size, properties["min_disk"] >= "1") == (64 << 20, True)
