# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the root file system in place: `mke2fs -d` writes the tree into the partition, unmounted.

mke2fs reads folders in sorted order, so neither the order of readdir nor inode numbers nor the kind
of file system that the tree lies on change a byte. (The one exception is a file with several
extended attributes, which are written in the order in which that file system lists them.)
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from builder.disk.layout import MIB, Partition
from builder.disk.toolbox import Toolbox
from builder.errors import BuildError
from builder.models import DiskIds
from builder.run import CommandError

BLOCK = 4096
INODE = 256
BYTES_PER_INODE = 16384
# Written down, so that neither the disk's size nor an mke2fs.conf chooses. Without orphan_file
# (e2fsprogs before 1.47.0 refuses to check it) and metadata_csum_seed (grub before 2.12 cannot
# read it): the oldest release that we build, Ubuntu 22.04, has neither.
FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,"
    "large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
)
# What mke2fs says when the file system, not the folder that it lies in, is too small.
TOO_SMALL = re.compile(r"[Cc]ould not allocate (block|inode)|[Nn]o free space|too small")


def make_root(
    raw: Path, part: Partition, tree: Path, *, ids: DiskIds, epoch: int, tools: Toolbox
) -> None:
    """Write `tree` as ext4 into the partition `part` of `raw`.

    A tree that does not fit is a BuildError which says how large the disk must be.
    """
    # mke2fs keeps only the last -E, so this must stay one option. The file is new and all zeros:
    # nothing to discard, nothing to zero later in the running system.
    extended = ",".join(
        (
            f"offset={part.offset}",
            f"hash_seed={ids.hash_seed}",
            "root_owner=0:0",
            "lazy_itable_init=0,lazy_journal_init=1,nodiscard",
        )
    )
    try:
        tools.run(
            [
                *("mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-U", str(ids.root_fs)),
                *("-b", str(BLOCK), "-I", str(INODE), "-i", str(BYTES_PER_INODE)),
                *("-O", FEATURES, "-E", extended, "-d", tree),
                *(raw, str(part.length // BLOCK)),
            ],
            env={"SOURCE_DATE_EPOCH": str(epoch), "MKE2FS_CONFIG": "/dev/null"},
        )
    except CommandError as error:
        if not TOO_SMALL.search(error.done.output):
            raise
        raise BuildError(
            f"the files of the image do not fit into a disk of {raw.stat().st_size // MIB} MiB",
            hint=f"set disk_size in class.yaml to {disk_size_for(tree, part)} MiB or more",
        ) from error


def disk_size_for(tree: Path, part: Partition) -> int:
    """The size in MiB of a disk that holds `tree` in its root partition, on the safe side."""
    blocks = inodes = 0
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            info = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - one Path per file is slow
            inodes += 1
            if stat.S_ISDIR(info.st_mode):
                blocks += 1
            elif (info.st_dev, info.st_ino) not in seen:
                blocks += -(-info.st_size // BLOCK)
                if info.st_nlink > 1:
                    seen.add((info.st_dev, info.st_ino))
    content = max(blocks * BLOCK, inodes * BYTES_PER_INODE)
    # A twentieth for inode tables, group descriptors and extents; 64 MiB for the journal, which
    # grows with the disk; the rest to have room to start in.
    needed = part.offset + content * 1.08 + 128 * MIB
    step = 64 * MIB
    return int(-(-needed // step) * step) // MIB
