# SPDX-License-Identifier: GPL-2.0-or-later
"""A site in a test's folder, whose store is sealed in no time, and remotes and targets of its."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builder import paths
from builder.errors import ForgeError, InfrastructureError
from builder.facility.config import Facility
from builder.facility.doors import Doors
from builder.facility.kinds import RemoteEntry, TargetEntry
from builder.facility.site import LocalStore, Site
from builder.facility.targets.target import Finding, Held, Item, Placed
from builder.imports.offers import Brought, Offer, OfferedFile
from builder.progress import Progress
from builder.store.folder import FolderPlace
from builder.store.index import Build
from builder.store.memory import Memory
from builder.store.place import OnBytes
from builder.store.writing import Publisher
from tests.unit.stores import Seal

KEY = "A" * 40


@dataclass
class FakeRemote:
    """A remote that offers what it is given, or fails."""

    given: Sequence[Offer] | ForgeError = ()
    name: str = "portal"
    url: str = "https://images.example.org"

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        if isinstance(self.given, ForgeError):
            raise self.given
        return [each for each in self.given if name in (None, each.name)]

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        raise NotImplementedError


@dataclass
class FakeTarget:
    """A target that remembers what became of it; `broken` fails whatever is asked of it."""

    name: str = "pool"
    formats: tuple[str, ...] = ("qcow2",)
    there: list[Held] = field(default_factory=list)
    put_items: list[Item] = field(default_factory=list)
    removed: list[Held] = field(default_factory=list)
    broken: bool = False

    def _work(self) -> None:
        if self.broken:
            raise InfrastructureError("the pool is not there", hint="start it")

    def check(self) -> tuple[Finding, ...]:
        self._work()
        return (Finding(True, "pool", "it can be written to"),)

    def put(self, item: Item, progress: Progress) -> Placed:  # noqa: ARG002
        self._work()
        self.put_items.append(item)
        return Placed("placed", f"volume {item.name}-{item.serial}")

    def held(self) -> tuple[Held, ...]:
        self._work()
        return tuple(self.there)

    def remove(self, held: Held) -> None:
        self._work()
        self.removed.append(held)


@dataclass
class World:
    """A site, and the doors to its remotes and targets."""

    site: Site
    remotes: dict[str, FakeRemote] = field(default_factory=dict)
    targets: dict[str, FakeTarget] = field(default_factory=dict)

    @property
    def doors(self) -> Doors:
        def remote(name: str, _entry: RemoteEntry, _site: Site) -> FakeRemote:
            return self.remotes[name]

        def target(name: str, _entry: TargetEntry, _site: Site) -> FakeTarget:
            return self.targets[name]

        return Doors(remote, target)


def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: Mapping[str, Any] | None = None
) -> World:
    """A site called north, with one remote and one target, and `more` of its file."""
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(paths.STATE_VARIABLE, str(tmp_path / "state"))
    seal = Seal()

    def publisher(store: LocalStore) -> Publisher:
        return Publisher(store.place, seal, seal, Memory(tmp_path / "memory"), timedelta(days=30))

    monkeypatch.setattr(LocalStore, "publisher", property(publisher))
    content = {
        "name": "north",
        "store": {"path": "images", "key": KEY},
        "remotes": {
            "portal": {"kind": "store", "url": "https://images.example.org", "keyring": "p.gpg"}
        },
        "series": [{"match": "debian-13*"}],
        "targets": {"pool": {"kind": "libvirt"}},
        **(more or {}),
    }
    site = Site(Facility.model_validate(content), tmp_path)
    assert isinstance(site.store.place, FolderPlace)
    return World(site, {"portal": FakeRemote()}, {"pool": FakeTarget()})


def offer(
    name: str,
    serial: str,
    *,
    size: int = 1000,
    format_: str = "qcow2",
    channel: str = "release",
    build: Build | None = None,
) -> Offer:
    """One build that the remote `portal` has."""
    file = OfferedFile(f"{name}-{serial}.{format_}", format_, "https://images.example.org/x", size)
    return Offer("portal", name, serial, channel, (file,), "signed by A", build=build)
