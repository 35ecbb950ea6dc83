# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of another architecture in the sandbox: Debian 13's static qemu-user runs them.

It comes from the archive as the tools do, so that it is the same on every build machine; only where
the kernel is too old for a binfmt_misc of our own, the machine's emulator is used.
"""

from __future__ import annotations

import os
from pathlib import Path

from builder.archive.aptroot import AptRoot
from builder.archive.predict import predict
from builder.install.binfmt import FORMATS, Way, line
from builder.install.rootfs import Recipe
from builder.install.sandbox import EMULATION, ROOT
from builder.install.tools import EPOCH, SUITE, VARIANT
from builder.run import run

PRIVATE = ROOT / "binfmt_misc"
PACKAGE = "qemu-user"


def way() -> Way:
    """How the sandbox that we are in was made."""
    return Way(os.environ.get(EMULATION, Way.NATIVE))


def recipe(root: AptRoot, arch: str) -> Recipe:
    """The emulator's own small tree: of qemu-user, which has all architectures, one program."""
    only = (f"/usr/bin/{FORMATS[arch].qemu}",)
    return Recipe(SUITE, VARIANT, (PACKAGE,), predict(root, (PACKAGE,), base=()), EPOCH, only)


def register(arch: str, tree: Path) -> None:
    """Give this sandbox a binfmt_misc of its own, with the emulator in `tree` as its only entry."""
    PRIVATE.mkdir()
    run(["mount", "-t", "binfmt_misc", "binfmt_misc", PRIVATE])
    # The kernel wants the line in one piece.
    (PRIVATE / "register").write_bytes(line(arch, tree / "usr/bin" / FORMATS[arch].qemu))
