# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that an installation needs, at hand and verified: packages, base file, tools tree."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.archive import aptroot, keyrings, pool, predict, sources
from builder.classes import ImageSpec
from builder.errors import InfrastructureError
from builder.install import fai, rootfs, tools
from builder.install.workspace import Workspace
from builder.paths import Cache

BASE_VARIANT = "minbase"


@dataclass(frozen=True)
class Archive:
    """Which mirrors to build from (None: this machine's own), and where to keep what they give.

    The mirrors are those of `distro`; any other distribution comes from where it does otherwise.
    """

    cache: Cache
    mirror: str | None = None
    security_mirror: str | None = None
    distro: str = "debian"

    def open(self, own: tuple[sources.Source, ...], arch: str, distro: str) -> aptroot.AptRoot:
        """The private apt root for a distribution's own sources, on the mirrors of this build."""
        given = (self.mirror, self.security_mirror) if distro == self.distro else (None, None)
        mirrors = sources.host_mirrors(*given, distro)
        mirrored = sources.on_mirrors(own, mirrors)
        return aptroot.open_root(self.cache.apt, mirrored, arch, self._keyring(distro))

    def _keyring(self, distro: str) -> Path | None:
        """The keyring of a distribution if it is not where it belongs on this machine."""
        try:
            sources.keyring(distro)
        except InfrastructureError:
            if distro == tools.DISTRO:
                raise
        else:
            return None
        root = self.open(
            sources.default_sources(tools.DISTRO, tools.SUITE), aptroot.native_arch(), tools.DISTRO
        )
        return keyrings.borrow(
            distro, root, pool.DebCache(self.cache.debs), self.cache.keyrings / distro
        )


@dataclass(frozen=True)
class Supplies:
    """What `provide` got: the predicted package set of the image, and how much of it FAI adds."""

    supply: pool.Supply
    candidates: tuple[predict.Candidate, ...]
    beyond_base: int
    base: rootfs.Rootfs
    tools: rootfs.Rootfs
    tools_recipe: rootfs.Recipe
    downloaded_bytes: int


def provide(
    archive: Archive,
    spec: ImageSpec,
    supply: pool.Supply,
    space: Workspace,
    *,
    epoch: int,
    on_package: Callable[[int, int], None],
) -> Supplies:
    """Fetch what an image is made of; make its base file and the tools tree where they are new.

    The config space is in the workspace. `on_package` is told how many packages are there, of how
    many.
    """
    tools_supply = _tools_supply(archive, supply, space)
    with ThreadPoolExecutor(max_workers=3) as workers:
        asking_tools = workers.submit(tools.recipe, tools_supply.root)
        asking_base = workers.submit(predict.predict, supply.root, ())
        asked = fai.wanted_packages(space.config, spec.classes)
        candidates = predict.predict(
            supply.root,
            asked.packages,
            recommends=asked.recommends,
            preferences=fai.preferences(space.config, spec.classes, space.scratch / "pins"),
        )
        tools_recipe, base_packages = asking_tools.result(), asking_base.result()
    base_recipe = rootfs.Recipe(spec.codename, BASE_VARIANT, (), base_packages, epoch)
    kept = archive.cache.rootfs
    base, tree = rootfs.cached(kept, base_recipe), rootfs.cached(kept, tools_recipe)

    debs = pool.DebCache(archive.cache.debs)
    rest = tuple(each for each in candidates if each not in set(base_packages))
    downloaded = 0
    with ThreadPoolExecutor(max_workers=2) as workers:
        # What is made first is fetched first; the rest comes while it is made.
        if tree is None:
            downloaded += _fetch(debs, tools_supply, tools_recipe.candidates, on_package)
        making_tree = workers.submit(
            lambda: tree or rootfs.make(kept, tools_recipe, tools_supply, space)
        )
        if base is None:
            downloaded += _fetch(debs, supply, base_packages, on_package)
        making_base = workers.submit(lambda: base or rootfs.make(kept, base_recipe, supply, space))
        downloaded += _fetch(debs, supply, rest, on_package)
        base, tree = making_base.result(), making_tree.result()
    return Supplies(supply, candidates, len(rest), base, tree, tools_recipe, downloaded)


def _fetch(
    debs: pool.DebCache,
    supply: pool.Supply,
    wanted: tuple[predict.Candidate, ...],
    on_package: Callable[[int, int], None],
) -> int:
    return debs.fetch(supply.root, wanted, supply.pool, on_package).bytes


def _tools_supply(archive: Archive, supply: pool.Supply, space: Workspace) -> pool.Supply:
    """What the tools tree is made from: often the image's own supply."""
    own = sources.default_sources(tools.DISTRO, tools.SUITE)
    root = archive.open(own, aptroot.native_arch(), tools.DISTRO)
    if root == supply.root:
        return supply
    return pool.open_supply(root, space.root / "supply-tools", space.pool)
