# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of facilities, walked: a portal behind nginx, two sites, a build into a real pool."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import libvirt
import pytest

from builder.guest.hypervisor import SESSION, SYSTEM, hypervisor
from builder.progress import NoProgress
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.index import StoreIndex
from builder.store.memory import Memory
from builder.store.publishing import publish
from builder.store.writing import Publisher
from tests.integration.facilitywalk import Walk, served
from tests.integration.harness import Forge
from tests.integration.nginx import authority, free_ports, nginx
from tests.integration.signing import key_home
from tests.unit.stores import build

POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
URI = SYSTEM if os.geteuid() == 0 else SESSION


@dataclass(frozen=True)
class Portal:
    """A store with two builds of debian-13, and the key that signs it."""

    folder: Path
    keyring: Path


def disk(path: Path, content: bytes) -> bytes:
    """A small qcow2 with something in it."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(content.ljust(1 << 20, b"\0"))
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)]
    subprocess.run(argv, check=True)
    return path.read_bytes()


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    with key_home() as home:
        signer = keys.Signer(home.make("portal@example.org"))
        (tmp_path / "portal.gpg").write_bytes(signer.keyring().content)
        place = FolderPlace(tmp_path / "portal")
        publisher = Publisher(place, signer, signer.keyring(), Memory(tmp_path / "memory"))
        now = datetime.now(UTC).replace(microsecond=0)
        for days in (7, 1):
            day = now - timedelta(days=days)
            content = disk(tmp_path / "disk.qcow2", f"{days}".encode())
            built = build(tmp_path / "built", f"{day:%Y%m%d}", image=content)
            publish(publisher, gather(built), "release", day, NoProgress())
        yield Portal(tmp_path / "portal", tmp_path / "portal.gpg")


@pytest.fixture
def pool(home: Path) -> Iterator[str]:
    """The name of a pool of the real libvirt, in a folder of the test; it is gone afterwards."""
    name = f"fai-forge-walk-{os.getpid()}-{time.monotonic_ns()}"
    folder = home / name
    folder.mkdir()
    # It starts the daemon where nothing else does.
    with hypervisor():
        connection = libvirt.open(URI)
        made = connection.storagePoolCreateXML(POOL.format(name=name, path=folder), 0)
        try:
            yield name
        finally:
            made.destroy()
            connection.close()


def index(folder: Path, keyring: Path) -> StoreIndex:
    memory = Memory(folder.parent / "reader")
    return reading.read(FolderPlace(folder), keys.read_keyring(keyring), memory, datetime.now(UTC))


@dataclass(frozen=True)
class Walked:
    """What a walk gave: its shell, the folder that it was in, and what the portal has."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    portal: Portal


def walked(
    folder: Path,
    portal: Portal,
    pool: str,
    *,
    image: str,
    environment: Mapping[str, str],
    boots: bool,
) -> Walked:
    """Walk the page in a folder; `image` is what is built in place of the page's."""
    north, south = folder / "north", folder / "south"
    north.mkdir()
    south.mkdir()
    (north / "portal.gpg").write_bytes(portal.keyring.read_bytes())
    disk(north / "appliance.qcow2", b"appliance")
    # It is there as soon as the first site has made it.
    (south / "north.gpg").symlink_to(north / "north.gpg")
    ports, ca = free_ports(2), authority(folder / "ca")
    servers = served(ca, ports[0], portal.folder) + served(ca, ports[1], north / "images")
    walk = Walk(
        folder,
        {
            "https://images.example.org": f"https://127.0.0.1:{ports[0]}",
            "https://north.example.org": f"https://127.0.0.1:{ports[1]}",
            "debian-13-hypervisor": image,
            "qemu:///system vol-path --pool default": f"{URI} vol-path --pool {pool}",
            # This machine's own pool is no matter of a test.
            "'s/^#  to: /  to: /'": "'s/^#  to: /  to: /'"
            f" -e 's,^    uri: .*,    uri: {URI},' -e 's/^    pool: default/    pool: {pool}/'",
        },
        {
            **environment,
            "FAI_FORGE_STATE": str(folder / "state"),
            "REQUESTS_CA_BUNDLE": str(ca.ca),
        },
    )
    with nginx(folder / "nginx", servers, ports):
        return Walked(walk.go(boots=boots), folder, portal)


def check(found: Walked, image: str) -> None:
    """All that the page promises is there."""
    done, folder = found.done, found.folder
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = index(found.portal.folder, found.portal.keyring).series[0].builds[-1]
    north = index(folder / "north/images", folder / "north/north.gpg")
    ours = {each.name: each for each in north.series}
    assert set(ours) == {"debian-13", "appliance-1", image}
    (taken,) = ours["debian-13"].builds
    assert (taken.serial, taken.images) == (theirs.serial, theirs.images)
    assert {each.channel for each in ours[image].builds} == {"custom"}
    # What a site added by hand, or built, stays there.
    (only,) = index(folder / "south/images", folder / "south/south.gpg").series
    assert [each.serial for each in only.builds] == [theirs.serial]
    assert "file format: qcow2" in done.stdout
    assert "NO " not in done.stdout
    assert not list((folder / "config").rglob("*.timer"))
    kept = folder / "crontab"
    assert not kept.exists() or kept.read_text() == ""


def test_the_page_works_as_it_stands(
    tmp_path: Path, forge: Forge, portal: Portal, pool: str
) -> None:
    # A tiny project, which builds in seconds, has this role; it boots nowhere.
    image = "debian-13-other"
    known = {name: value for name, value in forge.environment().items() if "FORGE" in name}
    found = walked(tmp_path, portal, pool, image=image, environment=known, boots=False)
    check(found, image)
