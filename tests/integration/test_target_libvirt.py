# SPDX-License-Identifier: GPL-2.0-or-later
"""Images in a storage pool of the real libvirt; the pool is a folder of the test."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility.kinds import LibvirtTarget
from builder.facility.targets import serieslist
from builder.facility.targets.libvirt import Libvirt
from builder.facility.targets.poolusers import users
from builder.facility.targets.target import Item
from builder.guest.hypervisor import SESSION, SYSTEM, hypervisor
from builder.progress import NoProgress
from builder.run import run
from tests.published import manifest

QUIET = NoProgress()
PATIENCE = 60.0
MIB = 1 << 20
POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
  <devices><disk type='file' device='{device}'>
    <driver name='qemu' type='{form}'/><source file='{path}'/><target dev='vda' bus='{bus}'/>
  </disk></devices>
</domain>
"""
# A process of its own, to be killed while it uploads.
PUT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from builder.facility.kinds import LibvirtTarget
from builder.facility.targets.libvirt import Libvirt
from builder.progress import NoProgress
from tests.integration.test_target_libvirt import item

class Slow(NoProgress):
    def stage(self, title):
        print(title, flush=True)
        if {stage!r} in title:
            time.sleep(60)

    def update(self, done, total, detail=""):
        if {stage!r} == "middle" and 0 < done:
            print("middle", flush=True)
            time.sleep(60)

target = Libvirt("pool", LibvirtTarget(kind="libvirt", uri={uri!r}, pool={pool!r}), Path({state!r}))
target.put(item(Path({store!r}), {serial!r}), Slow())
"""


def item(folder: Path, serial: str, form: str = "qcow2") -> Item:
    """An image of debian-13, of some MiB, that no two serials share."""
    folder.mkdir(exist_ok=True)
    path = folder / f"debian-13-{serial}.{form}"
    if not path.exists():
        raw = path.with_suffix(".tmp")
        content = hashlib.sha256(serial.encode()).digest() * 32768
        with raw.open("wb") as file:
            file.write(content)
            file.seek(9 * MIB)
            file.write(content[::-1])
            file.truncate(16 * MIB)
        run(["qemu-img", "convert", "-f", "raw", "-O", form, raw, path])
        raw.unlink()
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Item(path, form, path.stat().st_size, sha256, manifest(serial), "release")


@dataclass
class World:
    """A pool that a target puts into, over a connection of the test's own."""

    connection: Any
    pool: Any
    folder: Path
    target: Libvirt
    domains: list[Any] = field(default_factory=list)

    def volumes(self) -> set[str]:
        self.pool.refresh(0)
        return set(self.pool.listVolumes())

    def latest(self) -> str:
        """What a shell would read."""
        path = self.folder / f"debian-13{serieslist.SUFFIX}"
        return path.read_text().split("\n")[0] if path.exists() else ""

    def sha256(self, volume: str) -> str:
        return hashlib.sha256((self.folder / volume).read_bytes()).hexdigest()

    def define(self, path: Path, form: str = "qcow2", device: str = "disk") -> None:
        """A guest that is not started, with such a disk."""
        bus = "virtio" if device == "disk" else "sata"
        name = f"{self.pool.name()}-{len(self.domains)}"
        text = DOMAIN.format(name=name, device=device, form=form, path=path, bus=bus)
        if bus == "sata":
            text = text.replace("vda", "sda")
        self.domains.append(self.connection.defineXML(text))

    def serials(self) -> list[tuple[str, bool, bool]]:
        return [(each.serial, each.current, each.in_use) for each in self.target.held()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    uri = SYSTEM if os.geteuid() == 0 else SESSION
    folder = tmp_path / "pool"
    folder.mkdir()
    name = f"fai-forge-{os.getpid()}-{time.monotonic_ns()}"
    # It starts the daemon where nothing else does.
    with hypervisor():
        connection = libvirt.open(uri)
        # Transient: it is gone when it is not active any more.
        pool = connection.storagePoolCreateXML(POOL.format(name=name, path=folder), 0)
        entry = LibvirtTarget(kind="libvirt", uri=uri, pool=name, keep=1)
        made = World(connection, pool, folder, Libvirt("pool", entry, tmp_path / "state"))
        try:
            yield made
        finally:
            for domain in made.domains:
                domain.undefine()
            pool.destroy()
            connection.close()


def overlay(path: Path, base: Path) -> Path:
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path])
    return path


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_an_image_arrives_bit_for_bit(tmp_path: Path, world: World, form: str) -> None:
    new = item(tmp_path / "store", "20261121", form)
    placed = world.target.put(new, QUIET)
    assert placed.answer == "placed"
    assert Path(placed.reference) == world.folder / new.path.name
    assert world.sha256(new.path.name) == new.sha256
    assert Path(placed.reference).stat().st_blocks * 512 < 12 * MIB
    assert world.latest() == new.path.name
    said = world.pool.storageVolLookupByName(new.path.name).XMLDesc(0)
    assert f"<format type='{form}'/>" in said
    assert f"<capacity unit='bytes'>{16 * MIB}</capacity>" in said
    assert world.target.put(new, QUIET).answer == "unchanged"


def test_the_name_moves_and_older_ones_go(tmp_path: Path, world: World) -> None:
    for serial in ("20261120", "20261121", "20261122"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    assert world.volumes() == {
        "debian-13.latest",
        "debian-13-20261121.qcow2",
        "debian-13-20261122.qcow2",
    }
    assert world.serials() == [("20261121", False, False), ("20261122", True, False)]
    assert world.latest() == "debian-13-20261122.qcow2"


def test_a_disk_is_made_as_the_page_says(tmp_path: Path, world: World) -> None:
    page = (Path(__file__).parents[2] / "docs/targets.md").read_text(encoding="utf-8")
    commands = page.partition("```sh\n")[2].partition("```")[0]
    assert "pool=default\n" in commands
    script = tmp_path / "script"
    script.write_text(commands.replace("pool=default", f"pool={world.pool.name()}"))
    for serial in ("20261120", "20261121"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    uri = world.target.entry.uri
    run(["sh", "-eu", script], cwd=tmp_path, env={"LIBVIRT_DEFAULT_URI": uri})
    said = run(["qemu-img", "info", world.folder / "web1.qcow2"], capture=True).output
    assert "debian-13-20261121.qcow2" in said
    assert "virtual size: 20 GiB" in said
    # The newest one now stands below a guest's disk, and a newer one comes.
    for serial in ("20261122", "20261123"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    assert ("20261121", False, True) in world.serials()


def test_what_a_volume_was_made_from_stays(tmp_path: Path, world: World) -> None:
    for serial in ("20261120", "20261121"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    overlay(world.folder / "guest.qcow2", world.folder / "debian-13-20261120.qcow2")
    world.target.put(item(tmp_path / "store", "20261122"), QUIET)
    assert world.serials() == [
        ("20261120", False, True),
        ("20261121", False, False),
        ("20261122", True, False),
    ]
    with pytest.raises(UsageError, match="in use"):
        world.target.remove(world.target.held()[0])
    (world.folder / "guest.qcow2").unlink()
    world.target.remove(world.target.held()[0])
    assert "debian-13-20261120.qcow2" not in world.volumes()


def test_a_disk_of_a_guest_stays(tmp_path: Path, world: World) -> None:
    for serial in ("20261120", "20261121"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    world.define(world.folder / "debian-13-20261120.qcow2")
    world.target.put(item(tmp_path / "store", "20261122"), QUIET)
    assert ("20261120", False, True) in world.serials()
    assert "debian-13-20261120.qcow2" in world.volumes()


def test_what_a_guest_elsewhere_stands_on_stays(tmp_path: Path, world: World) -> None:
    """Its overlay is in no pool, so nobody can tell which image that was made from."""
    for serial in ("20261120", "20261121"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    world.define(overlay(tmp_path / "guest.qcow2", world.folder / "debian-13-20261120.qcow2"))
    world.target.put(item(tmp_path / "store", "20261122"), QUIET)
    assert {serial for serial, _current, _in_use in world.serials()} == {
        "20261120",
        "20261121",
        "20261122",
    }


@pytest.mark.parametrize(("form", "device"), [("raw", "disk"), ("qcow2", "cdrom")])
def test_disks_that_stand_alone_keep_nothing(
    tmp_path: Path, world: World, form: str, device: str
) -> None:
    (tmp_path / "alone").touch()
    world.define(tmp_path / "alone", form, device)
    for serial in ("20261120", "20261121", "20261122"):
        world.target.put(item(tmp_path / "store", serial), QUIET)
    assert "debian-13-20261120.qcow2" not in world.volumes()


def test_guests_that_end_while_they_are_asked_use_nothing(world: World, tmp_path: Path) -> None:
    """Others start and end guests on this machine while a target asks all of them."""
    (tmp_path / "alone").touch()
    world.define(tmp_path / "alone")
    world.define(world.folder / "other")
    stays, goes = world.domains

    class Connection:
        """The real one; a guest goes once it was listed."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.connection, name)

        def listAllDomains(self, flags: int) -> list[Any]:
            listed: list[Any] = world.connection.listAllDomains(flags)
            goes.undefine()
            return listed

    world.domains.remove(goes)
    found = users(Connection(), str)
    assert str(tmp_path / "alone") in found.paths
    assert str(world.folder / "other") not in found.paths
    assert stays.isActive() == 0


@pytest.mark.parametrize("name", ["debian-13-20261121.qcow2", "debian-13.latest"])
def test_foreign_volumes_are_not_touched(tmp_path: Path, world: World, name: str) -> None:
    (world.folder / name).write_text("somebody's own work\n")
    with pytest.raises(UsageError, match="not ours"):
        world.target.put(item(tmp_path / "store", "20261121"), QUIET)
    assert (world.folder / name).read_text() == "somebody's own work\n"
    assert world.volumes() == {name}
    assert world.target.held() == ()


def test_a_volume_that_was_written_to_is_not_replaced(tmp_path: Path, world: World) -> None:
    new = item(tmp_path / "store", "20261121")
    world.target.put(new, QUIET)
    with (world.folder / new.path.name).open("ab") as file:
        file.write(b"a guest's own work")
    with pytest.raises(UsageError, match="was changed"):
        world.target.put(new, QUIET)


class Meddler(NoProgress):
    """Does something when a stage begins."""

    def __init__(self, stage: str, meddle: Callable[[], None]) -> None:
        self._stage, self._meddle = stage, meddle

    def stage(self, title: str) -> None:
        if self._stage in title:
            self._meddle()


def test_what_arrives_otherwise_does_not_count(tmp_path: Path, world: World) -> None:
    world.target.put(item(tmp_path / "store", "20261120"), QUIET)
    new = item(tmp_path / "store", "20261121")

    def flip() -> None:
        with (world.folder / new.path.name).open("r+b") as file:
            file.seek(-9, os.SEEK_END)
            file.write(b"?")

    with pytest.raises(InfrastructureError, match="not what was uploaded"):
        world.target.put(new, Meddler("Verifying", flip))
    assert world.latest() == "debian-13-20261120.qcow2"
    assert world.serials() == [("20261120", True, False)]
    assert world.target.put(new, QUIET).answer == "placed"
    assert world.sha256(new.path.name) == new.sha256


@pytest.mark.parametrize("stage", ["Reading", "middle", "Verifying"])
def test_killed_anywhere_it_goes_on(tmp_path: Path, world: World, stage: str) -> None:
    old, new = (item(tmp_path / "store", serial) for serial in ("20261120", "20261121"))
    world.target.put(old, QUIET)
    program = PUT.format(
        root=str(Path(__file__).parents[2]),
        stage=stage,
        uri=world.target.entry.uri,
        pool=world.target.entry.pool,
        state=str(tmp_path / "state"),
        store=str(tmp_path / "store"),
        serial="20261121",
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert any(stage.encode() in line for line in process.stdout)
            # Two at once: the second one is told.
            with pytest.raises(InfrastructureError, match="another target-pool"):
                world.target.put(new, QUIET)
        finally:
            process.send_signal(signal.SIGKILL)
    assert world.latest() == old.path.name
    assert world.sha256(world.latest()) == old.sha256
    assert world.serials() == [("20261120", True, False)]
    # The daemon may not have noticed yet that nobody sends any more.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            world.target.put(new, QUIET)
            break
        except InfrastructureError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert world.latest() == new.path.name
    assert world.sha256(world.latest()) == new.sha256


def test_the_current_one_is_not_removed(tmp_path: Path, world: World) -> None:
    world.target.put(item(tmp_path / "store", "20261121"), QUIET)
    with pytest.raises(UsageError, match="newest"):
        world.target.remove(world.target.held()[0])


def test_check_says_what_is_there(world: World) -> None:
    assert [each.ok for each in world.target.check()] == [True]
    assert world.volumes() == set()


def test_check_says_what_is_not_there(world: World) -> None:
    nowhere = replace(world.target, entry=world.target.entry.model_copy(update={"pool": "pond"}))
    (found,) = nowhere.check()
    assert not found.ok
    assert "no storage pool pond" in found.sentence
    assert world.pool.name() in found.hint
