# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk from a tree, by the real programs: is it sound, and does it hold what the tree held?"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from builder.disk.assemble import assemble
from builder.disk.layout import MIB, Partition, Role, layout
from builder.disk.toolbox import Toolbox
from builder.errors import BuildError
from builder.models import BuildId, DiskIds
from builder.run import run
from tests.integration.test_disk_toolbox import toolbox

BUILD = BuildId("debian-13", "20261120", 1_700_000_000)
IDS = DiskIds.of(BUILD)
SIZE = 256 * MIB
OLD = 1_600_000_000
ESP_FILE = "EFI/BOOT/BOOTX64.EFI"


def plant(tree: Path) -> Path:
    """A tree that has all that a disk of any architecture needs, and no more."""
    for name, content in {
        "usr/lib/grub/i386-pc/boot.img": bytes([0x11]) * 510 + b"\x55\xaa",
        "boot/grub/i386-pc/core.img": bytes([0x33]) * 1300,
        "boot/grub/powerpc-ieee1275/core.elf": b"\x7fELF" + bytes(9000),
        f"boot/efi/{ESP_FILE}": bytes([0x44]) * 100_000,
        "boot/efi/EFI/debian/grub.cfg": b"configfile elsewhere\n",
        "etc/hostname": b"debian\n",
    }.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tree / "etc/alias").hardlink_to(tree / "etc/hostname")
    return tree


def make(tree: Path, raw: Path, tools: Toolbox, *, arch: str = "amd64", size: int = SIZE) -> Path:
    assemble(
        tree,
        raw,
        arch=arch,
        size=size,
        ids=IDS,
        epoch=BUILD.epoch,
        tools=tools,
        work=raw.with_name(f"{raw.name}.work"),
    )
    return raw


def content(raw: Path, part: Partition) -> bytes:
    with raw.open("rb") as file:
        file.seek(part.offset)
        return file.read(part.length)


def part_of(role: Role, arch: str = "amd64") -> Partition:
    part = layout(arch, SIZE).find(role)
    assert part is not None
    return part


@pytest.fixture
def tools(tmp_path: Path) -> Toolbox:
    return toolbox(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plant(tmp_path / "tree")


@pytest.mark.parametrize("arch", ["amd64", "arm64", "ppc64el", "riscv64"])
def test_table_and_file_systems_are_sound(tmp_path: Path, tree: Path, arch: str) -> None:
    tools = toolbox(tmp_path)
    raw = make(tree, tmp_path / "raw", tools, arch=arch)
    said = tools.run(["sfdisk", "--verify", raw])
    assert "No errors detected" in said.output
    disk = json.loads(tools.run(["sfdisk", "--json", raw], capture=True).output)["partitiontable"]
    assert disk["id"] == str(IDS.disk).upper()
    found = {(part["start"], part["size"]) for part in disk["partitions"]}
    expected = layout(arch, SIZE)
    assert found == {(part.start, part.size) for part in expected.partitions}

    tools.run(["e2fsck", "-fn", f"{raw}?offset={expected.root.offset}"])
    esp = expected.find(Role.ESP)
    if esp is not None:
        (tmp_path / "esp").write_bytes(content(raw, esp))
        tools.run(["fsck.vfat", "-n", tmp_path / "esp"])


# What sfdisk calls the types that we write, by number; firmware looks for those of the last ones.
TYPES = {
    "amd64": ["Linux root (x86-64)", "BIOS boot", "EFI System"],
    "arm64": ["Linux root (ARM-64)", "EFI System"],
    "ppc64el": ["Linux root (PPC64LE)", "PowerPC PReP boot"],
    "riscv64": ["Linux root (RISC-V-64)", "EFI System"],
}


@pytest.mark.parametrize("arch", TYPES)
def test_the_types_are_what_firmware_looks_for(tmp_path: Path, tree: Path, arch: str) -> None:
    tools = toolbox(tmp_path)
    raw = make(tree, tmp_path / "disk.raw", tools, arch=arch)
    said = tools.run(["sfdisk", "--list", "--output", "Type", raw], capture=True).output
    assert said.partition("\nType\n")[2].partition("\n\n")[0].splitlines() == TYPES[arch]


def test_the_root_has_its_identity_and_files(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    raw = make(tree, tmp_path / "raw", tools)
    at = f"{raw}?offset={part_of(Role.ROOT).offset}"
    head = tools.run(["debugfs", "-R", "stats -h", at], capture=True).output
    assert f"Filesystem UUID:          {IDS.root_fs}" in head
    assert f"Directory Hash Seed:      {IDS.hash_seed}" in head
    # The oldest systems that we build could not check or read these.
    assert "orphan_file" not in head
    assert "metadata_csum_seed" not in head
    cat = tools.run(["debugfs", "-R", "cat /etc/alias", at], capture=True)
    assert cat.output == "debian\n"
    assert "Links: 2" in tools.run(["debugfs", "-R", "stat /etc/alias", at], capture=True).output
    efi = tools.run(["debugfs", "-R", "ls -p /boot/efi", at], capture=True).output
    assert sorted(line.split("/")[5] for line in efi.split()) == [".", ".."]


def test_the_esp_has_its_identity_and_files(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    raw = make(tree, tmp_path / "raw", tools)
    image = f"{raw}@@{part_of(Role.ESP).offset}"
    listing = tools.run(["mdir", "-/", "-b", "-i", image, "::"], capture=True).output
    assert set(listing.split()) == {
        "::/EFI/",
        "::/EFI/BOOT/",
        f"::/{ESP_FILE}",
        "::/EFI/debian/",
        "::/EFI/debian/grub.cfg",
    }
    tools.run(["mcopy", "-i", image, f"::/{ESP_FILE}", tmp_path / "back"])
    assert (tmp_path / "back").read_bytes() == (tree / "boot/efi" / ESP_FILE).read_bytes()
    uuid = run(["blkid", "-p", "-O", str(part_of(Role.ESP).offset), "-s", "UUID", raw])
    assert f'UUID="{IDS.esp_uuid}"' in uuid.output


def test_old_files_stay_old(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    for name in ("etc/hostname", "boot/efi", "boot/efi/EFI/debian/grub.cfg"):
        os.utime(tree / name, (OLD, OLD))
    raw = make(tree, tmp_path / "raw", tools)
    at = f"{raw}?offset={part_of(Role.ROOT).offset}"
    for name in ("/etc/hostname", "/boot/efi"):
        stat = tools.run(["debugfs", "-R", f"stat {name}", at], capture=True).output
        assert f" mtime: {OLD:#x}" in stat
    image = f"{raw}@@{part_of(Role.ESP).offset}"
    tools.run(["mcopy", "-m", "-i", image, "::/EFI/debian/grub.cfg", tmp_path / "back"])
    assert (tmp_path / "back").stat().st_mtime == OLD


def test_bios_finds_grub(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    raw = make(tree, tmp_path / "raw", tools)
    part = part_of(Role.BIOS)
    with raw.open("rb") as file:
        sector = file.read(512)
    assert sector[:0x5C] == bytes([0x11]) * 0x5C
    assert struct.unpack_from("<Q", sector, 0x5C) == (part.start,)
    # The protective entry of the GPT is still there.
    assert sector[0x1BE + 4] == 0xEE
    core = content(raw, part)[:1536]
    assert core[:0x1F4] == bytes([0x33]) * 0x1F4
    assert struct.unpack_from("<QH", core, 0x1F4) == (part.start + 1, 2)


def test_open_firmware_finds_grub(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    raw = make(tree, tmp_path / "raw", tools, arch="ppc64el")
    core = (tree / "boot/grub/powerpc-ieee1275/core.elf").read_bytes()
    assert content(raw, part_of(Role.PREP, "ppc64el")).startswith(core)


def test_the_tree_is_left_as_it_was(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(tree)): (path.lstat().st_mode, path.lstat().st_mtime_ns)
            for path in (tree / "boot", *tree.rglob("*"))
        }

    make(tree, tmp_path / "raw", tools)
    once = state()
    assert f"boot/efi/{ESP_FILE}" in once
    assert all(mtime == BUILD.epoch * 10**9 for _, mtime in once.values())
    make(tree, tmp_path / "again", tools)
    assert state() == once


def test_a_tree_without_boot_loader_says_which_file_is_missing(
    tmp_path: Path, tree: Path, tools: Toolbox
) -> None:
    (tree / "boot/grub/i386-pc/core.img").unlink()
    with pytest.raises(BuildError, match=r"/boot/grub/i386-pc/core\.img is missing"):
        make(tree, tmp_path / "raw", tools)
    # What was set aside is back, whatever happens.
    assert (tree / "boot/efi" / ESP_FILE).is_file()


def test_an_empty_esp_boots_nothing(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    run(["rm", "-r", tree / "boot/efi/EFI"])
    with pytest.raises(BuildError, match="/boot/efi/EFI is missing"):
        make(tree, tmp_path / "raw", tools)


def test_an_esp_that_overflows_says_so(tmp_path: Path, tree: Path, tools: Toolbox) -> None:
    with (tree / "boot/efi/EFI/kernel").open("wb") as file:
        file.truncate(130 * MIB)
    with pytest.raises(BuildError, match="do not fit into the ESP of 124 MiB"):
        make(tree, tmp_path / "raw", tools)


@pytest.mark.parametrize("name", ["EFI/boot", "EFI/link"])
def test_what_fat_cannot_hold_is_named(
    tmp_path: Path, tree: Path, tools: Toolbox, name: str
) -> None:
    (tree / "boot/efi" / name).symlink_to("BOOT")
    with pytest.raises(BuildError, match=f"the ESP cannot hold .*{Path(name).name}"):
        make(tree, tmp_path / "raw", tools)


def _large_file(tree: Path) -> None:
    (tree / "large").write_bytes(os.urandom(MIB) * 300)


def _many_files(tree: Path) -> None:
    for number in range(12_000):
        (tree / f"etc/{number}").touch()


@pytest.mark.parametrize("fill", [_large_file, _many_files])
def test_a_tree_too_large_says_which_size_will_do(
    tmp_path: Path, tree: Path, tools: Toolbox, fill: object
) -> None:
    assert callable(fill)
    fill(tree)
    with pytest.raises(BuildError, match="do not fit into a disk of 256 MiB") as caught:
        make(tree, tmp_path / "raw", tools)
    assert "disk_size in class.yaml" in caught.value.hint
    size = int(caught.value.hint.split(" to ")[1].split()[0])
    # Enough, but not absurdly more than what is in it.
    assert SIZE < size * MIB <= 3 * SIZE
    make(tree, tmp_path / "raw", tools, size=size * MIB)
