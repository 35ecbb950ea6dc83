# SPDX-License-Identifier: GPL-2.0-or-later
"""Deltas of real disks: published, applied along a chain, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from builder import cli
from builder.builds import Built
from builder.errors import InfrastructureError
from builder.facility import deltas
from builder.facility.deltas import Update, update
from builder.progress import NoProgress
from builder.run import run
from builder.store import keys
from builder.store.delta import disks, header, offering, patching, segments, xzstreams
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.index import Build, Image, SeriesEntry, folder
from builder.store.publishing import publish
from tests.integration.harness import ROOT
from tests.integration.signing import key_home
from tests.unit.stores import NOW, build, publisher

MIB = 1 << 20
FIRST, SECOND, THIRD = "20261101", "20261102", "20261103"


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)  # noqa: S311


def module(seed: int, version: int) -> bytes:
    """Something like a kernel's module: mostly the same in each version, as xz packs it."""
    words = random.Random(seed)  # noqa: S311
    lines = [b"%d" % words.randrange(10**9) for _ in range(20_000)]
    lines[::200] = [b"version %d" % version] * 100
    return b"\n".join(lines)


def disk(here: Path, serial: str, *, version: int, grown: int = 0) -> bytes:
    """A qcow2 as this machine's qemu-img makes it, of an ext4 with files in it."""
    tree = here / f"tree-{serial}"
    (tree / "modules").mkdir(parents=True)
    (tree / "aaa").write_bytes(noise(1, 100_000) + noise(version, grown))
    (tree / "data").write_bytes(noise(2, 4 * MIB))
    for number in range(4):
        content = module(number, version)
        packed = run_xz(content)
        (tree / f"modules/{number}.ko.xz").write_bytes(packed)
        # As an initrd has them: the same once more, in another place.
        (tree / f"modules/{number}.copy").write_bytes(b"head" * 3 + packed)
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    raw = here / f"{serial}.raw"
    with raw.open("wb") as file:
        file.truncate(48 * MIB)
    seed = "6b1f6e32-8d4b-4c4e-9f60-2f1f4f3d5a10"
    identity = ("-U", seed, "-E", f"hash_seed={seed}")
    run(
        ["mke2fs", "-q", "-F", "-t", "ext4", *identity, "-d", tree, raw],
        env={"SOURCE_DATE_EPOCH": "1700000000"},
    )
    made = disks.convert(raw, "qcow2", here / serial, disks._Host())
    return made.read_bytes()


def run_xz(content: bytes) -> bytes:
    """By the program, with several threads, as the kernel's makefiles call it."""
    argv = ["xz", "--check=crc32", "--lzma2=dict=1MiB", "-T2", "-c"]
    return subprocess.run(argv, input=content, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class World:
    """A store with three builds, and what a site has of it."""

    root: Path
    entry: SeriesEntry
    images: dict[str, bytes]

    @property
    def place(self) -> FolderPlace:
        return FolderPlace(self.root / "store")

    def build(self, serial: str) -> Build:
        return next(each for each in self.entry.builds if each.serial == serial)

    def image(self, serial: str) -> Image:
        return self.build(serial).images[0]

    def bases(self, *serials: str) -> deltas.Bases:
        def found(serial: str, form: str) -> Path | None:
            path = self.root / "store/debian-13" / serial / f"debian-13-{serial}.qcow2"
            return path if serial in serials and form == "qcow2" else None

        return found

    def delta(self, serial: str) -> Path:
        (row,) = self.build(serial).deltas
        return self.root / "store" / folder("debian-13", self.build(serial)) / row.name


def put(root: Path, built: Built) -> Build:
    """Publish as the verb does, with a delta where there can be one."""
    store = publisher(root)
    made = root / f"made-{built.serial}"
    made.mkdir()
    with store.place.lock():
        index = store.current()
    found = offering.offer(store.place, index, built, "release", made, root / "work", NoProgress())
    parcel = gather(built, [found.path] if found else [])
    rows = [found.entry] if found else []
    return publish(store, parcel, "release", NOW, NoProgress(), deltas=rows).build


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    (root / "disks").mkdir()
    images = {
        FIRST: disk(root / "disks", FIRST, version=1),
        SECOND: disk(root / "disks", SECOND, version=1, grown=70_000),
        THIRD: disk(root / "disks", THIRD, version=2, grown=70_000),
    }
    for serial, content in images.items():
        put(root, build(root / "out", serial, image=content))
    index = publisher(root).current()
    assert index is not None
    return World(root, index.series[0], images)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test makes a tools tree: this machine's own qemu-img made the images."""
    monkeypatch.setenv("FAI_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(disks, "_by_tools", lambda *_: None)
    return tmp_path / "cache"


def updated(world: World, target: Path, serial: str, *here: str) -> Update | None:
    """Ask for a build where others are; afterwards nothing is left but the target."""
    found = update(
        world.place,
        world.entry,
        world.build(serial),
        world.image(serial),
        world.bases(*here),
        target,
        lambda _: None,
    )
    assert [path.name for path in target.parent.iterdir()] == ([target.name] if found else [])
    assert not list((Path(os.environ["FAI_FORGE_CACHE"]) / "work").glob("run-*"))
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming/image.qcow2"


def test_one_step(world: World, target: Path) -> None:
    found = updated(world, target, SECOND, FIRST)
    assert found == Update(world.delta(SECOND).stat().st_size, 1)
    assert target.read_bytes() == world.images[SECOND]
    assert found.transferred < 0.05 * len(world.images[SECOND])
    # Again, there is nothing to do.
    assert updated(world, target, SECOND, FIRST) == Update(0, 0)


def test_two_steps_and_streams_that_changed(world: World, target: Path) -> None:
    head, _ = header.read(world.delta(THIRD))
    assert len([each for each in head.cut if each.copy_of is None]) == len(head.gone) == 4
    # A copy may lie on both sides of the file system's own blocks, and is no whole stream then.
    assert len(head.cut) > 6
    packed = sum(each.length for each in head.cut)
    assert world.delta(THIRD).stat().st_size < packed / 4
    assert updated(world, target, THIRD, FIRST) == Update(
        sum(world.delta(serial).stat().st_size for serial in (SECOND, THIRD)), 2
    )
    assert target.read_bytes() == world.images[THIRD]


def test_large_disks_are_patched_in_segments(
    world: World, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT", 2 * MIB)
    monkeypatch.setattr(segments, "SLACK", MIB // 2)
    root = tmp_path / "large"
    for serial in (FIRST, THIRD):
        put(root, build(root / "out", serial, image=world.images[serial]))
    index = publisher(root).current()
    assert index is not None
    large = World(root, index.series[0], world.images)
    head, _ = header.read(large.delta(THIRD))
    assert len(head.rest) > 2
    assert updated(large, target, THIRD, FIRST)
    assert target.read_bytes() == world.images[THIRD]


@contextmanager
def spoilt(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def whole(
    world: World, target: Path, caplog: pytest.LogCaptureFixture, why: str, *here: str
) -> None:
    """Nothing is made, and a line says why."""
    assert updated(world, target, THIRD, *(here or (SECOND,))) is None
    assert why in caplog.text


def test_a_damaged_delta(world: World, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = bytearray(world.delta(THIRD).read_bytes())
    content[len(content) // 2] ^= 1
    with spoilt(world.delta(THIRD), bytes(content)):
        whole(world, target, caplog, "its digest is another")
    gone = world.delta(THIRD).with_name("moved")
    world.delta(THIRD).rename(gone)
    try:
        whole(world, target, caplog, "which its index names")
    finally:
        gone.rename(world.delta(THIRD))


def test_a_delta_that_was_published_wrong(
    world: World, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The index vouches for it, and it makes something else."""
    head, begins = header.read(world.delta(THIRD))
    patches = world.delta(THIRD).read_bytes()[begins:]
    cases = {
        "gives another disk": header.dump(head.model_copy(update={"sha256": "0" * 64})) + patches,
        "is for another disk": header.dump(head.model_copy(update={"base_sha256": "0" * 64}))
        + patches,
        "zstd cannot apply": header.dump(head) + bytes(len(patches)),
        "no delta that is understood": b"x" * 1000,
    }
    for why, content in cases.items():
        with spoilt(world.delta(THIRD), content):
            (row,) = world.build(THIRD).deltas
            row = row.model_copy(
                update={"size": len(content), "sha256": disks.digest(world.delta(THIRD))}
            )
            third = world.build(THIRD).model_copy(update={"deltas": (row,)})
            entry = world.entry.model_copy(update={"builds": (*world.entry.builds[:2], third)})
            whole(World(world.root, entry, world.images), target, caplog, why)


def test_a_patch_that_gives_more_than_it_says(tmp_path: Path) -> None:
    """What a patch writes is bounded before it is written."""
    base, new = tmp_path / "base", tmp_path / "new"
    base.write_bytes(noise(1, MIB))
    new.write_bytes(bytes(64 * MIB))
    (patch,) = patching.make(base, new, tmp_path)
    assert patch.stat().st_size < 10_000
    with pytest.raises(InfrastructureError, match="zstd cannot apply"):
        patching.apply(base, MIB, [patch], tmp_path / "out", tmp_path)
    largest = max(path.stat().st_size for path in tmp_path.iterdir() if path != new)
    assert largest <= MIB


def test_a_base_that_was_changed(
    world: World, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = world.bases(SECOND)(SECOND, "qcow2")
    assert path is not None
    with spoilt(path, world.images[FIRST]):
        whole(world, target, caplog, "is not what the store has")


def test_other_bytes_than_were_published(
    world: World, target: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose libraries compress otherwise, and one whose xz does."""
    with monkeypatch.context() as patched:
        patched.setattr(disks, "_by_host", lambda *_: None)
        whole(world, target, caplog, "is not the one that was published")
    monkeypatch.setattr(xzstreams, "PRESET", 1)
    whole(world, target, caplog, "gives another disk")


@pytest.mark.parametrize("limit", [MIB, 5 * MIB])
def test_a_full_disk(
    world: World, target: Path, caplog: pytest.LogCaptureFixture, limit: int
) -> None:
    """No file may become larger than that: where a disk is full, writing fails as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        whole(world, target, caplog, "comes as a whole")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room(
    world: World, target: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(patching, "available_memory", lambda: MIB)
        whole(world, target, caplog, "of memory")
    real = os.statvfs

    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(os, "statvfs", lambda _path: Full)
    whole(world, target, caplog, "has room for 0 MiB")
    monkeypatch.setattr(os, "statvfs", real)


def test_a_fetch_that_was_broken_off_goes_on(
    world: World, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    real = FolderPlace.open

    @contextmanager
    def cut(self: FolderPlace, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        with real(self, path, offset) as source:
            read = source.read

            class Part:
                def read(self, size: int) -> bytes:
                    piece = read(min(size, 5000))
                    if sent and sum(sent) > 20_000 and not broken:
                        broken.append(True)
                        raise OSError("the connection broke")
                    sent.append(len(piece))
                    return piece

            yield Part()  # type: ignore[misc]

    broken: list[bool] = []
    monkeypatch.setattr(FolderPlace, "open", cut)
    with pytest.raises(InfrastructureError, match="cannot be read"):
        updated(world, target, THIRD, SECOND)
    assert not target.exists()
    found = updated(world, target, THIRD, SECOND)
    assert found
    assert sum(sent) == found.transferred == world.delta(THIRD).stat().st_size
    assert target.read_bytes() == world.images[THIRD]


KILLED = """
import json, os, signal, sys
from pathlib import Path
from builder.facility.deltas import update
from builder.store.delta import disks
from builder.store.folder import FolderPlace
from builder.store.index import SeriesEntry
root, target = map(Path, sys.argv[1:3])
entry = SeriesEntry.model_validate_json(sys.stdin.read())
disks.published = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
base = root / "store/debian-13/20261102/debian-13-20261102.qcow2"
build = entry.builds[-1]
update(FolderPlace(root / "store"), entry, build, build.images[0],
       lambda serial, form: base if (serial, form) == ("20261102", "qcow2") else None,
       target, lambda _: None)
"""


def test_killed_in_between(world: World, target: Path, cache: Path) -> None:
    """Nothing is visible, and the next try removes what was left."""
    argv = [sys.executable, "-c", KILLED, str(world.root), str(target)]
    done = subprocess.run(
        argv,
        input=world.entry.model_dump_json(by_alias=True),
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert list((cache / "work").glob("run-*"))
    assert updated(world, target, THIRD, SECOND)
    assert target.read_bytes() == world.images[THIRD]


def test_two_at_once(world: World, target: Path) -> None:
    with deltas._beside(target), pytest.raises(InfrastructureError, match="another process"):
        update(
            world.place,
            world.entry,
            world.build(SECOND),
            world.image(SECOND),
            world.bases(FIRST),
            target,
            lambda _: None,
        )


NO_DELTA: dict[str, tuple[Callable[[World], bytes], Callable[[World], bytes], str]] = {
    "no disk": (lambda _: b"image", lambda _: b"another", "is no disk"),
    "a damaged disk": (lambda _: b"QFI\xfb" + bytes(99), lambda w: w.images[SECOND], "qemu-img"),
    "too large": (
        lambda _: noise(1, 2 * MIB),
        lambda _: noise(2, 2 * MIB),
        "it would have",
    ),
}


@pytest.mark.parametrize(("old", "new", "why"), NO_DELTA.values(), ids=NO_DELTA)
def test_publishing_goes_on_without_a_delta(
    world: World,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    old: Callable[[World], bytes],
    new: Callable[[World], bytes],
    why: str,
) -> None:
    if why == "it would have":
        # Noise that is called a disk, whatever it begins with.
        monkeypatch.setattr(disks, "is_disk", lambda *_: True)
        monkeypatch.setattr(disks, "to_raw", lambda image, *_: image)
    caplog.set_level("INFO")
    put(tmp_path, build(tmp_path / "out", FIRST, image=old(world)))
    assert put(tmp_path, build(tmp_path / "out", SECOND, image=new(world))).deltas == ()
    assert why in caplog.text
    assert not list((tmp_path / "work").glob("run-*"))


def test_the_earlier_image_is_fetched_where_it_is_not_at_hand(world: World, tmp_path: Path) -> None:
    put(tmp_path, build(tmp_path / "out", FIRST, image=world.images[FIRST]))
    (tmp_path / f"out/debian-13/{FIRST}/debian-13-{FIRST}.qcow2").write_bytes(b"changed")
    (row,) = put(tmp_path, build(tmp_path / "out", SECOND, image=world.images[SECOND])).deltas
    assert (row.base, row.format) == (FIRST, "qcow2")
    assert row.sha256 == world.build(SECOND).deltas[0].sha256


def test_the_verb(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with key_home() as home:
        monkeypatch.setenv(keys.KEY_VARIABLE, home.make("deltas@example.org"))
        for serial, words in ((FIRST, ()), (SECOND, ()), (THIRD, ("--no-delta",))):
            build(tmp_path / "out", serial, image=world.images[serial])
            assert cli.main(["publish", "--to", "store", "--json", *words]) == 0
            (answer,) = json.loads(capsys.readouterr().out)
            assert [each["base"] for each in answer["deltas"]] == (
                [FIRST] if serial == SECOND else []
            )
            assert cli.main(["publish", "--to", "store"]) == 0
            assert "there is nothing to do" in capsys.readouterr().out
    made = tmp_path / "store/debian-13" / SECOND / f"debian-13-{SECOND}.qcow2.from-{FIRST}.delta"
    sums = (made.parent / "SHA256SUMS").read_text()
    assert f"{disks.digest(made)}  {made.name}\n" in sums
