# SPDX-License-Identifier: GPL-2.0-or-later
"""A distribution that publishes and signs small real images, and a store that takes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder import paths
from builder.downloads import files
from builder.manifest.imported import Imported
from builder.progress import NoProgress
from builder.store import reading
from builder.store.index import Build
from builder.store.keys import Signer
from builder.store.writing import Publisher
from builder.upstream import catalogue
from builder.upstream.asking import Asking
from builder.upstream.choosing import choose
from builder.upstream.finding import CHANNEL
from builder.upstream.pulling import Outcome, Pulled, pull
from tests.integration.apiserver import Answer, Api, Reply, running, serve
from tests.integration.remoteworld import disk, sha256
from tests.integration.signing import KeyHome
from tests.unit.stores import publisher

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = "20261101"
FILE = "Ours-{release}-{version}-{date}.{arch}.qcow2"


@dataclass
class Distribution:
    """Images of one release in one folder, a list of their digests, and who signs that."""

    server: Api
    folder: Path
    home: KeyHome
    name: str = "ours"
    distro: str = "alma"
    release: str = "10"
    signer: Signer | None = None
    content: dict[str, bytes] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"/{self.name}/"

    @property
    def series(self) -> str:
        return f"{self.distro}-{self.release}"

    @property
    def keyring(self) -> Path:
        return self.folder / f"{self.name}.gpg"

    def file(self, version: str, date: str = DAY) -> str:
        words = {"release": self.release, "version": version, "date": date, "arch": "x86_64"}
        return FILE.format(**words)

    def put(self, version: str, date: str = DAY, *words: str, content: bytes = b"") -> bytes:
        """Publish a version beside the others."""
        made = content or disk(self.folder, 4 << 20, *words)
        self.content[self.file(version, date)] = made
        self.publish()
        return made

    def take_back(self, version: str, date: str = DAY) -> None:
        name = self.file(version, date)
        del self.content[name]
        self.server.routes.pop(self.base + name, None)
        self.publish()

    def publish(self) -> None:
        """Serve the images, the list, and its signature."""
        for name, content in self.content.items():
            self.server.routes[self.base + name] = serve(content)
        lines = "".join(f"{sha256(made)}  {name}\n" for name, made in self.content.items())
        self.list(lines.encode())

    def list(self, content: bytes) -> None:
        """Serve just this as the list."""
        self.server.routes[f"{self.base}SHA256SUMS"] = serve(content, "text/plain")
        if self.signer:
            signature = serve(self.signer.detached(content), "text/plain")
            self.server.routes[f"{self.base}SHA256SUMS.asc"] = signature

    def sign(self) -> Signer:
        """Let a new key sign from now on, and be the one that is trusted."""
        self.signer = Signer(self.home.make(f"{self.name} {uuid.uuid4().hex}"))
        self.keyring.write_bytes(self.home.export(self.signer.fingerprint))
        self.publish()
        return self.signer

    def write(self, folder: Path, **more: Any) -> Path:
        """The YAML file; None takes a field out."""
        signature: dict[str, Any] = {"unsigned": "nobody signs it"}
        if self.signer:
            keys = [self.signer.fingerprint]
            signature = {
                "signature": {"file": "{list}.asc", "keyring": self.keyring.name, "keys": keys}
            }
            (folder / self.keyring.name).write_bytes(self.keyring.read_bytes())
        content = {
            "distro": self.distro,
            "title": "Our Linux",
            "os_distro": "ourlinux",
            "default_user": "ours",
            "firmware": ["bios", "uefi"],
            "min_ram": 1024,
            "replace_frequency": "monthly",
            "arches": {"amd64": "x86_64"},
            "index": {"kind": "checksums", "list": f"{self.server.url}{self.base}SHA256SUMS"},
            "file": r"Ours-{release}-(?P<version>[0-9.]+)-(?P<date>[0-9]{8})\.{arch}\.qcow2",
            "releases": [{"release": self.release}],
            **signature,
            **more,
        }
        path = folder / f"{self.name}.yaml"
        kept = {key: value for key, value in content.items() if value is not None}
        path.write_text(yaml.safe_dump(kept), encoding="utf-8")
        return path


@dataclass
class World:
    """One server with distributions, their YAML files, and a store."""

    server: Api
    folder: Path
    home: KeyHome
    ours: Distribution
    now: datetime = NOW

    @property
    def upstreams(self) -> Path:
        return self.folder / "upstreams"

    @property
    def store(self) -> Publisher:
        return publisher(self.folder)

    def another(self, name: str, release: str = "9", distro: str = "alma") -> Distribution:
        """One more distribution at the same server, unsigned."""
        return Distribution(self.server, self.folder, self.home, name, distro, release)

    def pull(self, *names: str, asking: Asking | None = None, **options: Any) -> Pulled:
        """Pull as the verb does."""
        how = asking or Asking()
        chosen = choose(catalogue.read([self.upstreams]), names, how)
        return pull(chosen, how, self.store, self.now, NoProgress(), **options)

    def one(self, **options: Any) -> Outcome:
        """What came of the only image."""
        (outcome,) = self.pull(**options).outcomes
        return outcome

    def builds(self, name: str = "alma-10") -> list[Build]:
        """The builds of a series that the store has files of."""
        index = self.store.current()
        entry = reading.series(index, name) if index else None
        return [each for each in entry.builds if each.state != "removed"] if entry else []

    def serials(self, name: str = "alma-10") -> list[str]:
        return [each.serial for each in self.builds(name)]

    def manifest(self, name: str = "alma-10") -> Imported:
        """The manifest of the newest build."""
        build = self.builds(name)[-1]
        assert build.channel == CHANNEL
        found = reading.described(self.store.place, name, build)
        assert isinstance(found, Imported)
        return found

    def images(self) -> list[str]:
        """The images that are visible in the store."""
        return sorted(path.name for path in (self.folder / "store").rglob("*.qcow2"))

    def asked(self) -> list[str]:
        """The paths that the server was asked for since the last call."""
        found = [each.path for each in self.server.log]
        self.server.log.clear()
        return found


@contextmanager
def made(folder: Path, home: KeyHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with one unsigned distribution that has published nothing yet."""
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(folder / "cache"))
    monkeypatch.setenv(paths.STATE_VARIABLE, str(folder / "state"))
    monkeypatch.setattr(files, "PAUSE", 0.0)
    (folder / "upstreams").mkdir()
    (folder / "store").mkdir()
    with running() as server:
        yield World(server, folder, home, Distribution(server, folder, home))


def then(*answers: Answer | Reply) -> Callable[[Any], Reply]:
    """An answer that is another one each time; the last one stays."""
    left = list(answers)

    def answer(asked: Any) -> Reply:
        found = left.pop(0) if len(left) > 1 else left[0]
        return found if isinstance(found, Reply) else found(asked)

    return answer
