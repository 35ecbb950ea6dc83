# SPDX-License-Identifier: GPL-2.0-or-later
"""Every format by the real programs: it holds the disk, and is the same when made twice."""

from __future__ import annotations

import lzma
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.disk.formats import FORMATS, Source, convert
from builder.disk.layout import MIB
from builder.disk.normalise import clamp_times
from builder.models import BuildId, DiskIds
from tests.integration.test_disk_toolbox import toolbox

BUILD = BuildId("debian-13", "20261120", 1_700_000_000)
SIZE = 80 * MIB


def plant(tree: Path) -> Path:
    (tree / "etc").mkdir(parents=True)
    (tree / "boot/efi/EFI").mkdir(parents=True)
    (tree / "boot/efi/EFI/file").write_text("firmware's")
    (tree / "etc/hostname").write_text("debian")
    (tree / "etc/fstab").write_text("UUID=1 / ext4 rw 0 1")
    (tree / "etc/alias").symlink_to("hostname")
    clamp_times(tree, BUILD.epoch)
    return tree


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A disk with some bytes that do not compress, some that do, and much nothing."""
    here = tmp_path_factory.mktemp("source")
    raw = here / "raw"
    with raw.open("wb") as file:
        for offset in range(0, SIZE, 20 * MIB):
            file.seek(offset + 1000)
            file.write(random.Random(offset).randbytes(300_000) + b"text " * 50_000)  # noqa: S311
        file.truncate(SIZE)
    tree = plant(here / "tree")
    return Source(raw, tree, DiskIds.of(BUILD), BUILD.epoch, toolbox(here.parent))


@pytest.fixture(scope="module")
def twin(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The same bytes in another folder, in a file without holes, and with other times."""
    here = tmp_path_factory.mktemp("twin")
    raw = here / "another-name"
    raw.write_bytes(source.raw.read_bytes())
    return Source(raw, plant(here / "tree"), source.ids, source.epoch, source.tools)


def as_disk(_source: Source, made: Path, back: Path) -> None:
    """Let qemu read the disk back."""
    _source.tools.run(["qemu-img", "convert", "-O", "raw", made, back])


def as_xz(_source: Source, made: Path, back: Path) -> None:
    with lzma.open(made) as file:
        back.write_bytes(file.read())


def as_tar(_source: Source, made: Path, back: Path) -> None:
    with tarfile.open(made) as archive:
        assert archive.getnames() == ["disk.raw"]
        member = archive.extractfile("disk.raw")
        assert member is not None
        back.write_bytes(member.read())


READ_BACK: dict[str, Callable[[Source, Path, Path], None]] = {
    "qcow2": as_disk,
    "qcow2-zlib": as_disk,
    "raw": as_disk,
    "raw.xz": as_xz,
    "raw.tar.xz": as_tar,
    "vmdk": as_disk,
    "vhdx": as_disk,
}


def test_every_disk_format_is_read_back() -> None:
    assert {*READ_BACK, "rootfs.tar.xz"} == set(FORMATS)


@pytest.mark.parametrize("name", READ_BACK)
def test_the_disk_is_in_it(
    name: str, source: Source, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("out")
    made = convert(name, source, here / "debian-13.0")
    assert made.name == f"debian-13.0{FORMATS[name].suffix}"
    # Nothing but the file itself.
    assert list(here.iterdir()) == [made]
    READ_BACK[name](source, made, here / "back")
    assert (here / "back").read_bytes() == source.raw.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_made_twice_it_is_the_same(
    name: str,
    source: Source,
    twin: Source,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path_factory.mktemp("out")
    first = convert(name, source, here / "first")
    # Another machine has another number of processors.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})
    second = convert(name, twin, here / "second")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["qcow2", "vhdx"])
def test_qemu_finds_no_fault(
    name: str, source: Source, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = convert(name, source, tmp_path_factory.mktemp("out") / "disk")
    assert "No errors" in source.tools.run(["qemu-img", "check", made]).output


@pytest.mark.parametrize(("name", "compression"), [("qcow2", "zstd"), ("qcow2-zlib", "zlib")])
def test_the_compression_is_the_one_asked_for(
    name: str, compression: str, source: Source, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = convert(name, source, tmp_path_factory.mktemp("out") / "disk")
    info = source.tools.run(["qemu-img", "info", made], capture=True).output
    assert f"compression type: {compression}" in info


def test_an_unpacked_disk_keeps_its_holes(
    source: Source, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("out")
    made = convert("raw.tar.xz", source, here / "disk")
    source.tools.run(["tar", "-C", here, "-xf", made])
    assert (here / "disk.raw").stat().st_size == SIZE
    assert (here / "disk.raw").stat().st_blocks * 512 < SIZE // 4


def test_the_root_file_system_is_the_tree_without_the_esp(
    source: Source, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = convert("rootfs.tar.xz", source, tmp_path_factory.mktemp("out") / "disk")
    with tarfile.open(made) as archive:
        assert archive.getnames() == [
            ".",
            "./boot",
            "./boot/efi",
            "./etc",
            "./etc/alias",
            "./etc/hostname",
        ]
        assert {member.mtime for member in archive} == {BUILD.epoch}
