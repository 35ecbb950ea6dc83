# SPDX-License-Identifier: GPL-2.0-or-later
"""Facilities with seals in place of keys, and portals that they take images from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from builder.facility.asking import Source
from builder.facility.config import Facility
from builder.facility.remotes.store import PublishedStore, bases
from builder.facility.site import LocalStore, Site
from builder.facility.targets.target import Finding, Held, Item, Placed
from builder.manifest import document
from builder.progress import NoProgress, Progress
from builder.store.gathering import gather
from builder.store.index import Build, Delta, StoreIndex, folder
from builder.store.memory import Memory
from builder.store.place import Readable
from builder.store.publishing import Published, publish
from builder.store.writing import Publisher
from tests.unit.stores import Seal, build, publisher

NAME = "debian-13"
KEY = "0123456789ABCDEF0123456789ABCDEF01234567"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class SealedStore(LocalStore):
    """A site's own store that a seal signs."""

    @property
    def publisher(self) -> Publisher:
        return Publisher(
            self.place, Seal(b"site"), Seal(b"site"), Memory(self.site.folder / "memory")
        )


@dataclass(frozen=True)
class SealedSite(Site):
    """A facility at ROOT, with its own store at ROOT/store."""

    @property
    def store(self) -> LocalStore:
        return SealedStore(self)

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    @property
    def state(self) -> Path:
        return self.folder / "state"


def site(root: Path, **row: Any) -> SealedSite:
    """A site that wants all series; `row` are other values of that row, and `name` the site's."""
    root.mkdir(exist_ok=True)
    values: dict[str, Any] = {"match": "*", "keep": 2} | row
    remotes = {
        name: {"kind": "store", "url": "/nowhere", "keyring": "none"}
        for name in ("portal", "mirror", "north")
    }
    facility = {
        "name": values.pop("name", "north"),
        "store": {"path": "store", "key": KEY},
        "remotes": remotes,
        "series": [values],
        "targets": {name: {"kind": "libvirt", "keep": 0} for name in values.get("to", ())},
    }
    return SealedSite(Facility.model_validate(facility), root)


def source(name: str, place: Readable, of: Site, secret: bytes = b"ours") -> Source:
    """A store as a remote of a site."""
    memory = Memory(of.folder / "memory")
    return Source(
        name,
        lambda: PublishedStore(name, place, Seal(secret), memory, partial(bases, of.store)),
    )


def portal(
    root: Path,
    serial: str,
    image: bytes = b"image",
    *,
    name: str = NAME,
    channel: str = "release",
    more: Mapping[str, bytes] | None = None,
    when: datetime | None = None,
    deltas: tuple[Delta, ...] = (),
) -> Published:
    """Publish a build in the store at ROOT/store."""
    built = build(root / "out", serial, name=name, image=image, more=more)
    time = when or now()
    return publish(publisher(root), gather(built), channel, time, NoProgress(), deltas=deltas)


def index_of(of: Site) -> StoreIndex:
    found = of.store.index()
    assert found is not None
    return found


def look(of: Site, name: str = NAME) -> dict[str, str]:
    """The state of each build by its serial, after all that the index names was read."""
    index = of.store.index()
    found: dict[str, str] = {}
    for entry in index.series if index else ():
        for each in entry.builds:
            where = of.store.place.root / folder(entry.name, each)
            assert document.load_any(where / each.manifest.name).serial == each.serial
            for file in (*each.images, *each.deltas, each.manifest, each.sums):
                content = (where / file.name).read_bytes()
                assert hashlib.sha256(content).hexdigest() == file.sha256, file.name
            if entry.name == name:
                found[each.serial] = each.state
    return found


def newest(of: Site) -> Build:
    return index_of(of).series[0].builds[-1]


@dataclass
class Pool:
    """A target in memory: what was put, by name and serial, and which one is current."""

    name: str = "pool"
    formats: tuple[str, ...] = ("qcow2",)
    there: dict[tuple[str, str], bytes] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    error: Exception | None = None

    def check(self) -> tuple[Finding, ...]:
        return ()

    def put(self, item: Item, progress: Progress) -> Placed:
        del progress
        if self.error:
            raise self.error
        self.there[item.name, item.serial] = item.path.read_bytes()
        self.current[item.name] = item.serial
        return Placed("placed", f"{item.name}-{item.serial}")

    def held(self) -> tuple[Held, ...]:
        return tuple(
            Held(
                name, serial, f"{name}-{serial}", self.current[name] == serial, serial in self.used
            )
            for name, serial in self.there
        )

    def remove(self, held: Held) -> None:
        del self.there[held.name, held.serial]


MONTH = timedelta(days=31)
