# SPDX-License-Identifier: GPL-2.0-or-later
"""Small builds, and seals in place of OpenPGP signatures: what tests of stores share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from builder.builds import Built
from builder.errors import InfrastructureError
from builder.manifest import document, model
from builder.progress import NoProgress
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.memory import Memory
from builder.store.publishing import Published, publish
from builder.store.writing import Publisher
from tests.unit.worlds import MAIN, manifest, source

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
END = b"-----END-----\n"


@dataclass(frozen=True)
class Seal:
    """Signs and verifies with a secret that both sides know, in no time."""

    secret: bytes = b"ours"

    def detached(self, content: bytes, *, armor: bool = True) -> bytes:
        form = b"text " if armor else b"bytes "
        return form + hashlib.sha256(self.secret + content).hexdigest().encode()

    def clearsigned(self, text: bytes) -> bytes:
        return text + END + self.detached(text)

    def keyring(self) -> Seal:
        return self

    def verify(self, content: bytes, signature: bytes, what: str) -> str:
        if signature not in (self.detached(content), self.detached(content, armor=False)):
            raise InfrastructureError(f"{what} was changed after it was signed")
        return "A" * 40

    def opened(self, document: bytes, what: str) -> bytes:
        text, _, signature = document.partition(END)
        self.verify(text, signature, what)
        return text


PASSED = (model.Verdict(name="bios", verdict="passed"),)


def build(
    out: Path,
    serial: str,
    *,
    name: str = "debian-13",
    image: bytes = b"image",
    more: Mapping[str, bytes] | None = None,
    checks: tuple[model.Verdict, ...] = PASSED,
    boots: tuple[model.Verdict, ...] = PASSED,
) -> Built:
    """A finished build below `out`: an image of a few bytes, its manifest, a log, and `more`."""
    folder = out / name / serial
    folder.mkdir(parents=True)
    stem = f"{name}-{serial}"
    (folder / f"{stem}.qcow2").write_bytes(image)
    for file, content in {f"{stem}.fai.log.gz": b"log", **(more or {})}.items():
        (folder / file).write_bytes(content)
    made = manifest((), NOW, (source(MAIN),)).model_copy(
        update={
            "name": name,
            "serial": serial,
            "files": (
                model.File(
                    name=f"{stem}.qcow2",
                    format="qcow2",
                    size=len(image),
                    sha256=hashlib.sha256(image).hexdigest(),
                    sha512=hashlib.sha512(image).hexdigest(),
                    reproducible=True,
                ),
            ),
            "checks": checks,
            "boots": boots,
        }
    )
    (folder / f"{stem}.manifest.json").write_text(document.dump(made))
    return Built(name, serial, folder)


def publisher(root: Path, seal: Seal = Seal()) -> Publisher:
    """Who publishes into the store at ROOT/store, and remembers it in ROOT/memory."""
    return Publisher(FolderPlace(root / "store"), seal, seal, Memory(root / "memory"))


def put(
    store: Publisher,
    built: Built,
    *,
    channel: str = "release",
    now: datetime = NOW,
    unverified: bool = False,
) -> Published:
    """Publish a build as it is."""
    return publish(store, gather(built), channel, now, NoProgress(), unverified=unverified)
