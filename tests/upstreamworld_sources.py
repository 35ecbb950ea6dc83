# SPDX-License-Identifier: GPL-2.0-or-later
"""All upstreams at once, and the project's own YAML files with the world's keys in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests import upstreamworld_indexes as indexes
from tests import upstreamworld_lists as lists
from tests import upstreamworld_others as others
from tests.integration.signing import key_home
from tests.upstreamworld import Keys, World

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "upstreams"
# Who writes what a source reads, by the source's file.
WRITERS: Final[Mapping[str, Callable[[World], None]]] = {
    "almalinux": lists.alma,
    "centos": lists.centos,
    "rocky": lists.rocky,
    "ubuntu": indexes.ubuntu,
    "debian": indexes.debian,
    "fedora": indexes.fedora,
    "opensuse-leap": lists.leap,
    "opensuse": lists.tumbleweed,
    "oracle": indexes.oracle,
    "alpine": others.alpine,
    "arch": others.arch,
    "cirros": others.cirros,
    "rhel": others.rhel,
}


@contextmanager
def new_world(folder: Path) -> Iterator[World]:
    """All servers as they were recorded; its keys end with the block."""
    with key_home() as home:
        world = World(folder, Keys(home))
        for write in WRITERS.values():
            write(world)
        yield world


def new_version(world: World, source: str, image: str) -> None:
    """One more version of an image."""
    world.later[image] = world.later.get(image, 0) + 1
    WRITERS[source](world)


def copies(world: World, folder: Path, pattern: str = "*") -> Path:
    """The project's YAML files with the world's keys, and else as they are."""
    folder.mkdir()
    for path in sorted(SOURCES.glob(f"{pattern}.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        signer = content["distro"]
        for entry in (content, *content.get("releases", ())):
            if entry.get("signature"):
                _other_key(world, signer, entry["signature"], folder)
        if content["index"]["kind"] == "given":
            _given(content, folder, world)
        (folder / path.name).write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def _given(content: dict[str, Any], folder: Path, world: World) -> None:
    """List the files that the operator has."""
    found = others.supplied(folder, world)
    for entry in content["releases"]:
        images = [found[f"{content['distro']}-{entry['release']}"]]
        entry["index"] = {"kind": "given", "images": images}


def _other_key(world: World, signer: str, signature: dict[str, Any], folder: Path) -> None:
    """Pin the world's key of a distribution; whether it may have expired stays as it was."""
    fingerprint = world.keys.fingerprint(signer)
    (folder / f"{signer}.gpg").write_bytes(world.keys.home.export(fingerprint))
    signature.pop("package", None)
    signature.pop("source", None)
    signature |= {"keyring": f"{signer}.gpg", "keys": [fingerprint]}
    if signature.get("expired"):
        signature["expired"] = [fingerprint]
