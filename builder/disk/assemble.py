# SPDX-License-Identifier: GPL-2.0-or-later
"""From a finished tree to a bootable raw disk, byte for byte the same each time.

No root, no loop device and no mount: every file system is written by a program that knows it,
straight into the raw file at its partition's offset.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.disk import bootsector
from builder.disk.esp import make_esp
from builder.disk.ext4 import make_root
from builder.disk.layout import SECTOR, Layout, Partition, Role, layout, sfdisk_script
from builder.disk.normalise import clamp_times
from builder.disk.toolbox import Toolbox, room_in
from builder.errors import BuildError
from builder.models import DiskIds

# What FAI's scripts leave in the tree for this room.
BOOT_IMG = "usr/lib/grub/i386-pc/boot.img"
CORE_IMG = "boot/grub/i386-pc/core.img"
CORE_ELF = "boot/grub/powerpc-ieee1275/core.elf"
ESP_MOUNT = "boot/efi"


@dataclass(frozen=True)
class _Job:
    tree: Path
    raw: Path
    esp_content: Path
    ids: DiskIds
    epoch: int
    tools: Toolbox


def assemble(
    tree: Path,
    raw: Path,
    *,
    arch: str,
    size: int,
    ids: DiskIds,
    epoch: int,
    tools: Toolbox,
    work: Path,
) -> None:
    """Make the disk image `raw` of `size` bytes from `tree`; `work` is an empty folder for us.

    The tree's times are clamped to `epoch` (seconds) for good; else it is left as it was. A tree
    that does not fit or lacks its boot loader is a BuildError, a full disk an InfrastructureError.
    """
    # The tools tree has another working folder.
    tree, raw, work = tree.resolve(), raw.absolute(), work.resolve()
    disk = layout(arch, size)
    clamp_times(tree, epoch)
    with room_in(raw.parent), _without_esp(tree, work / "esp") as esp_content:
        job = _Job(tree, raw, esp_content, ids, epoch, tools)
        _partition(job, disk)
        for part in disk.partitions:
            _FILL[part.role](job, part)


def _partition(job: _Job, disk: Layout) -> None:
    """Make the file, all zeros, and write its partition table."""
    job.raw.unlink(missing_ok=True)
    with job.raw.open("xb") as file:
        file.truncate(disk.size)
    job.tools.run(
        ["sfdisk", "-q", "--wipe=never", "--no-reread", "--no-tell-kernel", job.raw],
        stdin=sfdisk_script(disk, job.ids),
    )


def _fill_bios(job: _Job, part: Partition) -> None:
    boot = _from_tree(job, BOOT_IMG)
    core = _from_tree(job, CORE_IMG)
    with job.raw.open("r+b") as file:
        table = file.read(SECTOR)
        file.seek(0)
        file.write(bootsector.master_boot_record(table, boot, part.start))
        file.seek(part.offset)
        file.write(bootsector.core_image(core, part.start, part.size))


def _fill_prep(job: _Job, part: Partition) -> None:
    # Open Firmware loads the partition as one ELF file.
    core = _from_tree(job, CORE_ELF)
    if len(core) > part.length:
        raise BuildError(
            f"core.elf has {len(core)} bytes and does not fit into the PReP partition",
            hint="look at the modules that the class's script gives to grub-mkimage",
        )
    with job.raw.open("r+b") as file:
        file.seek(part.offset)
        file.write(core)


def _fill_esp(job: _Job, part: Partition) -> None:
    if not any(job.esp_content.iterdir()):
        raise _no_boot_loader(f"{ESP_MOUNT}/EFI")
    make_esp(job.raw, part, job.esp_content, ids=job.ids, epoch=job.epoch, tools=job.tools)


def _fill_root(job: _Job, part: Partition) -> None:
    make_root(job.raw, part, job.tree, ids=job.ids, epoch=job.epoch, tools=job.tools)


_FILL: dict[Role, Callable[[_Job, Partition], None]] = {
    Role.BIOS: _fill_bios,
    Role.PREP: _fill_prep,
    Role.ESP: _fill_esp,
    Role.ROOT: _fill_root,
}


def _from_tree(job: _Job, name: str) -> bytes:
    """A boot loader's file that FAI's scripts should have made."""
    try:
        return (job.tree / name).read_bytes()
    except FileNotFoundError as error:
        raise _no_boot_loader(name) from error


def _no_boot_loader(name: str) -> BuildError:
    return BuildError(
        f"the image has no boot loader: /{name} is missing",
        hint="the architecture's class must install grub and make this in a script",
    )


@contextmanager
def _without_esp(tree: Path, aside: Path) -> Iterator[Path]:
    """Move what is in /boot/efi out of the tree, into the new folder `aside`; then back again."""
    aside.mkdir(parents=True)
    mount = tree / ESP_MOUNT
    before = mount.stat() if mount.is_dir() else None
    try:
        if before is not None:
            _move_all(mount, aside)
            os.utime(mount, ns=(before.st_atime_ns, before.st_mtime_ns))
        yield aside
    finally:
        if before is not None:
            _move_all(aside, mount)
            os.utime(mount, ns=(before.st_atime_ns, before.st_mtime_ns))
        aside.rmdir()


def _move_all(source: Path, target: Path) -> None:
    for entry in sorted(source.iterdir()):
        shutil.move(entry, target / entry.name)
