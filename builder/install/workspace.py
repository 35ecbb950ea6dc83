# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a build's files are while it runs: in memory where it fits, else on a disk.

A tmpfs of the sandbox is fast, since dpkg syncs every file, and is gone with the sandbox. Where
memory is short the same place is an overlay with the `volatile` option, which ignores syncs as
well, over a folder in the cache.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError, InfrastructureError
from builder.install.sandbox import ROOT
from builder.paths import CACHE_VARIABLE, Cache
from builder.run import run
from builder.rundir import run_folder

log = logging.getLogger(__name__)

GIB = 1 << 30
# Beside the tree and the disk made of it: packages, indexes, tools, and what programs need to run.
OVERHEAD = 2 * GIB
KINDS = ("auto", "memory", "disk")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
# Less than this is full: dpkg, for one, removes what it could not unpack before it complains.
HARDLY_ANY = 4 << 20


@dataclass(frozen=True)
class Workspace:
    """The folders of one build, all below /run/fai-forge."""

    root: Path = ROOT / "work"

    @property
    def tree(self) -> Path:
        """The image's root file system."""
        return self.root / "tree"

    @property
    def pool(self) -> Path:
        """The .debs of this build, at their paths in the archive."""
        return self.root / "pool"

    @property
    def config(self) -> Path:
        """The merged config space."""
        return self.root / "config"

    @property
    def tools(self) -> Path:
        """The tools tree."""
        return self.root / "tools"

    @property
    def emulator(self) -> Path:
        """The emulator of the image's architecture, where it is not the machine's."""
        return self.root / "emulator"

    @property
    def native(self) -> Path:
        """Programs of the machine's architecture for a tree of another one."""
        return self.root / "native"

    @property
    def scratch(self) -> Path:
        """For whatever else is made on the way."""
        return self.root / "scratch"


@contextmanager
def open_workspace(kind: str, disk_size: int, cache: Cache) -> Iterator[Workspace]:
    """Mount a workspace for an image of `disk_size` bytes; `kind` is one of KINDS."""
    space = Workspace()
    space.root.mkdir(parents=True)
    with ExitStack() as stack:
        if kind == "memory" or (kind == "auto" and fits(disk_size)):
            size = f"size={2 * disk_size + OVERHEAD}"
            run(["mount", "-t", "tmpfs", "-o", f"mode=0755,{size}", "tmpfs", space.root])
        else:
            folder = stack.enter_context(run_folder(cache.work))
            _mount_overlay(folder, space.root)
            stack.callback(run, ["umount", "--lazy", space.root])
        for each in (space.pool, space.scratch):
            each.mkdir()
        yield space


@contextmanager
def room(*folders: Path) -> Iterator[None]:
    """Turn a full disk, or one that may not be written, into one sentence that names the place.

    Programs tell of a full disk in many ways, or only after other complaints; so the free space of
    `folders`, which a build writes to, counts as well.
    """
    try:
        yield
    except (OSError, BuildError) as error:
        free = {folder: _free(folder) for folder in folders}
        tightest = min(folders, key=lambda folder: free[folder])
        if isinstance(error, OSError) and error.errno in REFUSED and error.filename:
            raise InfrastructureError(
                f"{error.filename} cannot be written: {error.strerror}",
                hint="make it yours, or choose other folders: --out for builds,"
                f" {CACHE_VARIABLE} for caches",
            ) from error
        said = f"{error.message}\n{error.hint}" if isinstance(error, BuildError) else str(error)
        if isinstance(error, OSError):
            full = error.errno in NO_SPACE
        else:
            full = os.strerror(errno.ENOSPC) in said or free[tightest] < HARDLY_ANY
        if not full:
            raise
        raise InfrastructureError(
            f"the file system of {tightest} is full",
            hint=f"free some space there, or choose another folder or --workspace; then run the"
            f" same command again\n{said}",
        ) from error


def _free(folder: Path) -> int:
    """The free bytes where a folder is or will be."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free


def fits(disk_size: int) -> bool:
    """Whether the machine has memory to spare for the tree and the disk of an image."""
    return available_memory() > 2 * disk_size + OVERHEAD


def available_memory() -> int:
    """The bytes that the kernel can give to new programs without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, amount, *_ = line.split()
        if name == "MemAvailable:":
            return int(amount) * 1024
    return 0


def _mount_overlay(folder: Path, target: Path) -> None:
    """An overlay whose only purpose is to ignore syncs, and not to inherit `nosuid` or `nodev`."""
    for name in ("lower", "upper", "work"):
        (folder / name).mkdir()
    options = f"volatile,lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    if _in_user_namespace():
        # The kernel's own attributes of an overlay are for the machine's root only.
        options += ",userxattr"
    run(["mount", "-t", "overlay", "-o", options, "overlay", target])


def _in_user_namespace() -> bool:
    """Whether we are in another user namespace than the machine's first (proc_ns.h names it)."""
    return Path("/proc/self/ns/user").readlink() != Path("user:[4026531837]")
