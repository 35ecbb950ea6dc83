# SPDX-License-Identifier: GPL-2.0-or-later
"""The tools tree: a small Debian 13 whose programs make disks, the same on every build machine.

What decides an image's bytes must not depend on the host: Debian 12's mke2fs, for one, cannot make
the same file system twice. The tree is verified by apt, cached, and used inside the sandbox; the
host's own apt sources stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.archive.aptroot import AptRoot, native_arch
from builder.archive.predict import predict
from builder.install.rootfs import Recipe
from builder.install.sandbox import ROOT
from builder.run import Completed, run

__all__ = ["ToolsTree", "native_arch", "recipe"]

DISTRO = "debian"
SUITE = "trixie"
# The programs only need to be there: nothing is configured, no maintainer script runs.
VARIANT = "extract"
PACKAGES = (
    "base-files",  # the links of a merged /usr, such as /lib64
    "coreutils",
    "dash",  # tar starts its compressor by a shell
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "mtools",
    "qemu-utils",
    "tar",
    "util-linux",
    "xz-utils",
)
# The files of the tree carry this time, whenever it was made: they end in no image.
EPOCH = 0


def recipe(root: AptRoot) -> Recipe:
    """What the tools tree is made of, as the archive is now."""
    return Recipe(SUITE, VARIANT, PACKAGES, predict(root, PACKAGES, base=()), EPOCH)


@dataclass(frozen=True)
class ToolsTree:
    """An unpacked tools tree; paths below /run/fai-forge are the same inside and outside."""

    root: Path

    def mount(self) -> None:
        """Make the build's files, /dev and /proc visible in the tree."""
        for source in (ROOT, Path("/dev"), Path("/proc")):
            target = self.root / source.relative_to("/")
            target.mkdir(parents=True, exist_ok=True)
            run(["mount", "--rbind", source, target])

    def bring_in(self, outside: Path, path: Path) -> None:
        """Make a file from elsewhere visible at `path`, below /run/fai-forge."""
        for target in (path, self.root / path.relative_to("/")):
            target.touch()
            run(["mount", "--bind", outside, target])

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 3600.0,
        capture: bool = False,
    ) -> Completed:
        """`builder.run.run` with a program of the tree."""
        return run(
            ["chroot", self.root, *argv], env=env, stdin=stdin, timeout=timeout, capture=capture
        )
