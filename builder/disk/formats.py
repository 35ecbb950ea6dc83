# SPDX-License-Identifier: GPL-2.0-or-later
"""The formats that we publish, one table row each, all made from one raw disk or from its tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.disk.patches import set_vhdx_ids, set_vmdk_ids
from builder.disk.toolbox import Toolbox, room_in
from builder.errors import UsageError
from builder.models import DiskIds

# xz cuts its input into blocks of this size, so that the number of threads changes no byte.
XZ_BLOCK = "24MiB"
# A thread takes about 170 MiB of memory.
XZ_THREADS = 8
# The name of the disk inside of an archive, as in Debian's and Google's cloud images.
DISK_RAW = "disk.raw"


@dataclass(frozen=True)
class Source:
    """What formats are made from: the raw disk, the tree that went into it, and their identity.

    `tree` has its times clamped already (`assemble` does that); `epoch` is in seconds.
    """

    raw: Path
    tree: Path
    ids: DiskIds
    epoch: int
    tools: Toolbox


@dataclass(frozen=True)
class Format:
    """One format: `make(source, path)` writes it; `purpose` says who wants it."""

    name: str
    suffix: str
    purpose: str
    make: Callable[[Source, Path], None]


def convert(name: str, source: Source, stem: Path) -> Path:
    """Write the format `name` to `stem` plus its suffix, and return that path.

    The file has its final name only when it is whole; what was there before is replaced. An unknown
    format is a UsageError, a full disk an InfrastructureError.
    """
    row = find(name)
    # Not with_suffix(): names such as ubuntu-24.04 have dots of their own.
    out = stem.parent / (stem.name + row.suffix)
    partial = out.parent / f".{out.name}.partial"
    partial.unlink(missing_ok=True)
    try:
        with room_in(out.parent):
            row.make(source, partial.absolute())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def find(name: str) -> Format:
    """The table's row for `name`; an unknown one is a UsageError."""
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}", hint=f"choose from: {', '.join(FORMATS)}")
    return FORMATS[name]


def _qemu_img(source: Source, out: Path, form: str, options: str, *, compress: bool) -> None:
    # Never with -W: clusters out of order would differ from run to run.
    argv = ["qemu-img", "convert", "-f", "raw", "-O", form, *(["-c"] if compress else [])]
    source.tools.run([*argv, "-o", options, source.raw, out])


def _qcow2(compression: str) -> Callable[[Source, Path], None]:
    options = f"compat=1.1,cluster_size=64k,compression_type={compression}"

    def make(source: Source, out: Path) -> None:
        _qemu_img(source, out, "qcow2", options, compress=True)

    return make


def _vmdk(source: Source, out: Path) -> None:
    # VMware's own importers want this subformat and a SCSI adapter.
    options = "subformat=streamOptimized,adapter_type=lsilogic"
    _qemu_img(source, out, "vmdk", options, compress=False)
    set_vmdk_ids(out, source.ids.disk)


def _vhdx(source: Source, out: Path) -> None:
    # Blocks of 1 MiB are what Microsoft advises for ext4: larger ones waste space.
    _qemu_img(source, out, "vhdx", "subformat=dynamic,block_size=1M", compress=False)
    set_vhdx_ids(out, source.ids.disk, source.ids.root_fs)


def _raw(source: Source, out: Path) -> None:
    source.tools.run(["cp", "--reflink=auto", "--sparse=always", source.raw, out])


def _xz() -> list[str]:
    # With + also one thread makes blocks, so that a machine with one processor gives the same file.
    threads = min(len(os.sched_getaffinity(0)), XZ_THREADS)
    return ["xz", "-6", f"--block-size={XZ_BLOCK}", f"--threads=+{threads}"]


def _raw_xz(source: Source, out: Path) -> None:
    # xz names its output after its input, and without a shell there is no redirection: so the input
    # gets a name beside the output.
    link = out.with_name(out.name + "-of")
    made = link.with_name(link.name + ".xz")
    link.unlink(missing_ok=True)
    link.symlink_to(source.raw.resolve())
    try:
        # --force lets xz follow the link.
        source.tools.run([*_xz(), "--keep", "--force", link])
        made.replace(out)
    finally:
        link.unlink()
        made.unlink(missing_ok=True)


def _tar(source: Source, out: Path, *arguments: str) -> None:
    pack = f"--use-compress-program={' '.join(_xz())}"
    source.tools.run(["tar", "--create", f"--file={out}", pack, *arguments])


def _raw_tar_xz(source: Source, out: Path) -> None:
    raw = source.raw.absolute()
    # tar looks for holes only in a file that has some; then it goes by the bytes, as told below.
    source.tools.run(["fallocate", "--dig-holes", raw])
    _tar(
        source,
        out,
        # Holes as the bytes say, not as the file system happens to have them; the old GNU format
        # is the one that Google's importer reads.
        *("--format=oldgnu", "--sparse", "--hole-detection=raw"),
        *("--owner=root:0", "--group=root:0", "--mode=0644", f"--mtime=@{source.epoch}"),
        f"--transform=flags=r;s|.*|{DISK_RAW}|",
        *(f"--directory={raw.parent}", f"./{raw.name}"),
    )


def _rootfs_tar_xz(source: Source, out: Path) -> None:
    _tar(
        source,
        out,
        # atime and ctime are those of the build; the default name of a header has a process id.
        "--format=posix",
        "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
        *("--sort=name", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"),
        # A container has no firmware, and an ESP's files belong to no package. Nor has it disks:
        # systemd-remount-fs would fail for the root that fstab names.
        *("--anchored", "--exclude=./boot/efi/*", "--exclude=./etc/fstab"),
        *(f"--directory={source.tree.resolve()}", "."),
    )


# In the order of help texts; the first is the default. All of them are the same bit for bit when
# made twice from the same raw disk and tree: who adds one that cannot be must say so here and why.
FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format(
            "qcow2", ".qcow2", "libvirt, OpenStack, Proxmox, Incus; zstd inside", _qcow2("zstd")
        ),
        Format("qcow2-zlib", ".zlib.qcow2", "qemu before 5.1, which has no zstd", _qcow2("zlib")),
        Format("raw", ".raw", "dd to a disk; a sparse file", _raw),
        Format("raw.xz", ".raw.xz", "a small download to be written to a disk", _raw_xz),
        Format("raw.tar.xz", ".raw.tar.xz", "clouds that want disk.raw in an archive", _raw_tar_xz),
        Format("vmdk", ".vmdk", "VMware; streamOptimized, as OVA files have it", _vmdk),
        Format("vhdx", ".vhdx", "Hyper-V; grows as it is written to", _vhdx),
        Format("rootfs.tar.xz", ".rootfs.tar.xz", "LXC and Incus containers", _rootfs_tar_xz),
    )
}
DEFAULT_FORMAT = next(iter(FORMATS))
