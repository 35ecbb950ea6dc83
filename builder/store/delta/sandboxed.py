# SPDX-License-Identifier: GPL-2.0-or-later
"""Inside the sandbox: make a format of a raw disk with the programs of the tools tree.

    python -m builder.store.delta.sandboxed FORMAT NAME FOLDER

It makes FOLDER/tools.FORMAT of the raw disk FOLDER/NAME.
"""

from __future__ import annotations

import sys
from pathlib import Path

from builder import paths
from builder.archive import pool
from builder.archive.sources import default_sources
from builder.errors import ForgeError
from builder.install import rootfs, sandbox, tools, workspace
from builder.install.supplies import Archive
from builder.install.workspace import Workspace
from builder.run import run
from builder.store.delta import disks


def main(words: list[str]) -> int:
    """Convert; what went wrong is said on stderr."""
    form, name, folder = words
    sandbox.furnish()
    try:
        _convert(form, name, Path(folder))
    except ForgeError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    return 0


def _convert(form: str, name: str, folder: Path) -> None:
    archive = Archive(paths.cache())
    # Small: the disk itself stays in its folder.
    with workspace.open_workspace("auto", disks.MIB << 9, archive.cache) as space:
        rootfs.unpack(_tree(archive, space), space.tools)
        outside = sandbox.ROOT / "out"
        outside.mkdir()
        run(["mount", "--bind", folder, outside])
        toolbox = tools.ToolsTree(space.tools)
        toolbox.mount()
        disks.convert(outside / name, form, outside / "tools", toolbox)


def _tree(archive: Archive, space: Workspace) -> rootfs.Rootfs:
    """The tools tree that the cache has; else the archive's present one."""
    root = archive.open(
        default_sources(tools.DISTRO, tools.SUITE), tools.native_arch(), tools.DISTRO
    )
    kept = archive.cache.rootfs
    try:
        # By the indexes that are here: a slow line is spared a newer tree that does the same.
        if tree := rootfs.cached(kept, tools.recipe(root)):
            return tree
    except ForgeError:
        pass
    supply = pool.open_supply(root, space.root / "supply-tools", space.pool)
    recipe = tools.recipe(root)
    if tree := rootfs.cached(kept, recipe):
        return tree
    debs = pool.DebCache(archive.cache.debs)
    debs.fetch(root, recipe.candidates, supply.pool, lambda *_: None)
    return rootfs.make(kept, recipe, supply, space)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
