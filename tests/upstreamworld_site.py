# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody with a store, who pulls from all upstreams by `fai-forge upstream pull`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from builder import cli, paths
from builder.manifest import document
from builder.manifest.imported import Imported
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.index import Build, StoreIndex, folder
from builder.store.keys import KEY_VARIABLE
from builder.store.memory import Memory
from tests.upstreamworld import Newest, Served, Told, World, sha256
from tests.upstreamworld_others import OFFLINE_TOKEN
from tests.upstreamworld_sources import copies, new_world

MISSING: Final = {"sles-15-arm64", "sles-16-arm64"}
"""What the operator of this site has not."""


@dataclass(frozen=True)
class Site:
    """A store below `root`, signed with `key`; `say` tells what the program said last."""

    world: World
    root: Path
    key: str
    say: Callable[[], str]

    def pull(self, answering: Served, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code of `upstream pull`, and what it says."""
        base = answering.instead["https://"]
        hosts = sorted(path.name for path in self.world.www.iterdir())
        instead = [f"--instead=https://{host}/={base}{host}/" for host in hosts]
        to = ("--to", str(self.root / "store"), "--upstreams", str(self.root / "upstreams"))
        code = cli.main(["upstream", "pull", *words, *to, *instead, "--json"])
        return code, json.loads(self.say())

    def pulled(self, answering: Served, *words: str) -> dict[str, Any]:
        """What a run without failures says."""
        code, said = self.pull(answering, *words)
        wrong = [each["reason"] for each in said["images"] if each["answer"] == "failed"]
        assert [*wrong, *said["errors"]] == []
        assert (code, said["failed"]) == (0, False)
        return said

    def index(self) -> Mapping[str, tuple[Build, ...]]:
        """The public builds of the store, by series."""
        ring = self.world.keys.home.export(self.key)
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


@contextmanager
def new_site(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    """A site with an empty store, and a world for it."""
    with new_world(root / "world") as world:
        copies(world, root / "upstreams")
        key = world.keys.fingerprint("store")
        monkeypatch.setenv(KEY_VARIABLE, key)
        monkeypatch.setenv("RHEL_OFFLINE_TOKEN", OFFLINE_TOKEN)
        for variable in (paths.CACHE_VARIABLE, paths.STATE_VARIABLE):
            monkeypatch.setenv(variable, str(root / variable.lower()))
        yield Site(world, root, key, lambda: capsys.readouterr().out)


def images(told: Sequence[Told]) -> dict[str, int]:
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
