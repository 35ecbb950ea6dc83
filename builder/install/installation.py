# SPDX-License-Identifier: GPL-2.0-or-later
"""One installation: what FAI is given, and what the classes' hooks and scripts are told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from builder.archive import pool, sources
from builder.archive.aptroot import native_arch
from builder.classes import ImageSpec
from builder.install import emulation, fai, native, sandbox
from builder.install.binfmt import Way
from builder.install.supplies import Supplies
from builder.install.workspace import Workspace
from builder.models import BuildId, DiskIds
from builder.progress import Progress


def install(
    spec: ImageSpec,
    build: BuildId,
    own_sources: tuple[sources.Source, ...],
    supplies: Supplies,
    space: Workspace,
    *,
    log: IO[str],
    progress: Progress,
) -> None:
    """Run FAI on the workspace's config space; the tree is then finished, and nothing is mounted.

    `own_sources` are those that the image keeps. `log` gets all that FAI and the scripts print. A
    failure is a BuildError that says what failed.
    """
    space.tree.mkdir()
    basefiles = space.config / "basefiles"
    basefiles.mkdir()
    (basefiles / "DEFAULT.tar.zst").symlink_to(supplies.base.tarball)
    foreign = emulation.way() is not Way.NATIVE
    try:
        with native.covered_chroot(space.native) if foreign else nullcontext():
            fai.dirinstall(
                space,
                spec.classes,
                variables=_variables(spec, build, own_sources, supplies.supply, space),
                log=log,
                total=supplies.beyond_base,
                progress=progress,
            )
    finally:
        log.write(f"\n===== output of the classes' scripts =====\n{fai.script_output()}")
    sandbox.unmount_below(space.tree)
    _remove_mount_points(space.tree / sandbox.ROOT.relative_to("/"))


def _remove_mount_points(folder: Path) -> None:
    """Remove the empty folders that native programs were mounted on, and nothing that has files."""
    for path, _, _ in os.walk(folder, topdown=False):
        Path(path).rmdir()


def _variables(
    spec: ImageSpec,
    build: BuildId,
    own_sources: tuple[sources.Source, ...],
    supply: pool.Supply,
    space: Workspace,
) -> Mapping[str, str]:
    """What the classes' hooks and scripts are told."""
    ids = DiskIds.of(build)
    foreign = {}
    if emulation.way() is not Way.NATIVE:
        rootcmd = native.rootcmd(space.native, native_arch(), space.tree)
        # Some parts of FAI set the first one anew.
        foreign = {"ROOTCMD": rootcmd, "FORGE_ROOTCMD": rootcmd, "FORGE_NATIVE": str(space.native)}
    return {
        **foreign,
        "SOURCE_DATE_EPOCH": str(build.epoch),
        "FORGE_NAME": build.name,
        "FORGE_SERIAL": build.serial,
        "FORGE_DISTRO": spec.name.distro,
        "FORGE_BUILD_SOURCES": str(_sources_file("build", supply.sources, build, space)),
        "FORGE_IMAGE_SOURCES": str(_sources_file("image", own_sources, build, space)),
        "FORGE_LISTS": str(supply.lists),
        "FORGE_MIRRORS": str(supply.mirrors),
        "FORGE_POOL": str(supply.pool),
        "FORGE_ROOT_UUID": str(ids.root_fs),
        "FORGE_ESP_UUID": ids.esp_uuid,
    }


def _sources_file(
    name: str, wanted: tuple[sources.Source, ...], build: BuildId, space: Workspace
) -> Path:
    """A file of apt sources for the scripts to copy; it carries the time of the build."""
    file = space.scratch / f"{name}.sources"
    file.write_text(sources.render(wanted), encoding="utf-8")
    os.utime(file, (build.epoch, build.epoch))
    return file
