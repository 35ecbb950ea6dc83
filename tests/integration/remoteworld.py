# SPDX-License-Identifier: GPL-2.0-or-later
"""A facility that reads remotes of others, small real disks, and somebody who signs."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder import paths
from builder.facility import config
from builder.facility.remotes import github, gitlab, simplestreams, template
from builder.facility.site import Site
from builder.imports.offers import Offer, Remote
from builder.manifest import document
from builder.manifest.imported import Imported
from builder.store.keys import Signer
from tests.integration.apiserver import Api
from tests.integration.signing import KeyHome

OPEN: dict[str, Callable[[str, Any, Site], Remote]] = {
    "simplestreams": simplestreams.open_remote,
    "github": github.open_remote,
    "gitlab": gitlab.open_remote,
    "url": template.open_remote,
}


def disk(folder: Path, size: int = 4 << 20, *words: str) -> bytes:
    """A small qcow2 that no other test has."""
    raw, made = folder / f"{uuid.uuid4().hex}.raw", folder / f"{uuid.uuid4().hex}.qcow2"
    raw.write_bytes(uuid.uuid4().bytes * 4096 + b"\0" * (size - 65536))
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *words, str(raw), str(made)]
    subprocess.run(argv, check=True)
    content = made.read_bytes()
    raw.unlink()
    made.unlink()
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sums(files: dict[str, bytes]) -> bytes:
    return "".join(f"{sha256(content)} *{name}\n" for name, content in files.items()).encode()


@dataclass(frozen=True)
class World:
    """A facility in a folder of its own; its remote is always called `theirs`."""

    folder: Path
    key: str = "A" * 40
    """The key that signs its store."""

    def remote(self, **entry: Any) -> Remote:
        """The remote of an entry of facility.yaml, opened anew."""
        content = {
            "name": "lab",
            "store": {"path": "images", "key": self.key},
            "remotes": {"theirs": entry},
        }
        path = self.folder / "facility.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        facility = config.read(path)
        site = Site(facility, self.folder)
        return OPEN[entry["kind"]]("theirs", facility.remotes["theirs"], site)

    def brought(self, remote: Remote, offer: Offer, *formats: str) -> tuple[Path, Imported]:
        """The folder that an offer was brought into, and the manifest in it."""
        folder = self.folder / "brought" / str(offer)
        done = remote.bring(offer, formats, folder, lambda _: None)
        assert done.folder == folder
        manifest = document.load_any(folder / f"{offer}.manifest.json")
        assert isinstance(manifest, Imported)
        names = {file.name for file in manifest.files} | {f"{offer}.manifest.json"}
        assert {path.name for path in folder.iterdir()} == names
        for file in manifest.files:
            content = (folder / file.name).read_bytes()
            assert (file.size, file.sha256) == (len(content), sha256(content))
            assert file.sha512 == hashlib.sha512(content).hexdigest()
        return folder, manifest


@dataclass(frozen=True)
class Seal:
    """A key, and the file with its public half."""

    signer: Signer
    keyring: Path

    @classmethod
    def make(cls, home: KeyHome, folder: Path, name: str) -> Seal:
        signer = Signer(home.make(name))
        keyring = folder / f"{name}.gpg"
        keyring.write_bytes(home.export(signer.fingerprint))
        return cls(signer, keyring)


def make_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A facility with caches of its own."""
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(folder / "cache"))
    monkeypatch.setenv(paths.STATE_VARIABLE, str(folder / "state"))
    return World(folder)


def not_kept(world: World) -> list[str]:
    """What is visible of anything that was brought."""
    return [
        path.name
        for path in (world.folder / "brought").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]


def no_secret(server: Api, secret: str) -> bool:
    """Whether nobody told a server a secret."""
    return all(secret not in f"{asked.path} {asked.headers}" for asked in server.log)


def only(items: Iterator[Any] | Any) -> Any:
    (item,) = items
    return item
