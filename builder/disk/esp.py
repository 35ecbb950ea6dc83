# SPDX-License-Identifier: GPL-2.0-or-later
"""Make and fill the EFI system partition in place, with mtools: no loop device, no mount."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from builder.disk.layout import Partition
from builder.disk.toolbox import Toolbox
from builder.errors import BuildError
from builder.models import DiskIds
from builder.run import CommandError


def make_esp(
    raw: Path, part: Partition, content: Path, *, ids: DiskIds, epoch: int, tools: Toolbox
) -> None:
    """Write a FAT32 file system with all of `content` into the partition `part` of `raw`.

    Files go in sorted by name, with their own mtimes; content that does not fit is a BuildError.
    """
    env = {"SOURCE_DATE_EPOCH": str(epoch)}
    tools.run(
        [
            *("mkfs.vfat", "--invariant", "-i", f"{ids.esp_volume:08X}", "-n", "ESP"),
            # Sectors per cluster and the hidden sectors are written down: else they follow from
            # what mkfs.vfat can find out about the file.
            *("-F", "32", "-s", "1", "-S", "512", "-h", str(part.start), "--mbr=no"),
            f"--offset={part.start}",
            *(raw, str(part.length // 1024)),
        ],
        env=env,
    )
    image = f"{raw}@@{part.offset}"
    for folder, folders, files in _walk(content):
        target = "::/" + folder.relative_to(content).as_posix()
        try:
            if files:
                tools.run(["mcopy", "-m", "-i", image, *files, target], env=env)
            if folders:
                names = [f"{target}/{sub.name}" for sub in folders]
                tools.run(["mmd", "-i", image, *names], env=env)
        except CommandError as error:
            if "Disk full" not in error.done.output:
                raise
            raise BuildError(
                f"the files under /boot/efi do not fit into the ESP of {part.length >> 20} MiB",
                hint="keep kernels in /boot: only boot loaders belong into the ESP",
            ) from error


def _walk(top: Path) -> Iterator[tuple[Path, list[Path], list[Path]]]:
    """Each folder from the top down with its folders and its files, all sorted by name."""
    entries = sorted(top.iterdir())
    taken: dict[str, Path] = {}
    for entry in entries:
        if entry.is_symlink():
            raise BuildError(
                f"the ESP cannot hold the symbolic link {entry.name}",
                hint="put a copy of the file into /boot/efi",
            )
        twin = taken.setdefault(entry.name.casefold(), entry)
        if twin is not entry:
            raise BuildError(
                f"the ESP cannot hold both {twin.name} and {entry.name}: FAT ignores case",
                hint="keep one of the two in /boot/efi",
            )
    folders = [entry for entry in entries if entry.is_dir()]
    yield top, folders, [entry for entry in entries if entry.is_file()]
    for folder in folders:
        yield from _walk(folder)
