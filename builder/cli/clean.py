# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge clean`: remove leftovers, old builds, caches, each only when asked for."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder import paths, rundir
from builder.builds import FAILED_SUFFIX, Builds
from builder.cli import common
from builder.install import sandbox

DESCRIPTION = """\
Remove what is no longer needed. Without options: what failed or killed builds left behind.

  --old      also every build but the newest of each image
  --caches   also downloaded packages, indexes, base files and tools trees
  --all      all builds and all caches
"""


@dataclass(frozen=True)
class _Item:
    path: Path
    what: str
    size: int


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--old", action="store_true", help="also all builds but the newest")
    parser.add_argument("--caches", action="store_true", help="also the caches")
    parser.add_argument("--all", action="store_true", help="all builds and all caches")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    common.add_out(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    if not sandbox.inside():
        # What a killed build leaves belongs to the users of an image; only root in there may go in.
        return sandbox.reenter(arguments.words)
    builds, cache = common.builds(arguments), paths.cache()
    items = [_Item(path, what, _size(path)) for path, what in _candidates(builds, cache, arguments)]
    if not arguments.dry_run:
        for item in items:
            shutil.rmtree(item.path)
        # Whether these are still in use, only their locks can tell: so they are not listed before.
        swept = rundir.sweep(cache.work) + rundir.sweep(cache.guests) + builds.sweep()
        items += [_Item(path, "leftover", 0) for path in swept]
    if arguments.json:
        common.print_json(items)
        return 0
    for item in items:
        print(f"{item.size / 1e6:9.1f} MB  {item.what:<14} {item.path}")
    verb = "would be removed" if arguments.dry_run else "removed"
    print(f"{sum(item.size for item in items) / 1e6:9.1f} MB  {verb}")
    return 0


def _candidates(
    builds: Builds, cache: paths.Cache, arguments: argparse.Namespace
) -> Iterator[tuple[Path, str]]:
    """What the options ask for."""
    for folder in sorted(builds.root.glob(f"*/*{FAILED_SUFFIX}")):
        yield folder, "failed build"
    newest = {built.name: built.serial for built in builds.all()}
    for built in builds.all():
        if arguments.all or (arguments.old and newest[built.name] != built.serial):
            yield built.folder, "build"
    if arguments.all or arguments.caches:
        for folder in (cache.apt, cache.debs, cache.keyrings, cache.overlays, cache.rootfs):
            if folder.exists():
                yield folder, "cache"


def _size(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


VERB = common.Verb("clean", "remove leftovers, builds, caches", DESCRIPTION, _arguments, _call)
