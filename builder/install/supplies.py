# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that an installation needs, at hand and verified: packages, base file, tools tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.archive import aptroot, keyrings, pool, predict, sources
from builder.classes import ImageSpec
from builder.errors import InfrastructureError
from builder.install import emulation, fai, native, rootfs, tools
from builder.install.binfmt import Way
from builder.install.emulation import PACKAGE
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
        mirrored = sources.on_mirrors(own, self.mirrors(distro))
        return aptroot.open_root(self.cache.apt, mirrored, arch, self._keyring(distro))

    def mirrors(self, distro: str) -> sources.Mirrors:
        """The mirrors of a distribution; asked of this machine's apt once."""
        given = (self.mirror, self.security_mirror) if distro == self.distro else (None, None)
        return sources.host_mirrors(*given, distro)

    def reopen(self, root: aptroot.AptRoot, arch: str, distro: str) -> aptroot.AptRoot:
        """The same sources, of the same distribution, for another architecture."""
        return aptroot.open_root(self.cache.apt, root.sources, arch, self._keyring(distro))

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
    """What `provide` got: the predicted package set of the image, and how much of it FAI adds.

    `emulator` says in words what runs the image's programs, where this machine cannot.
    """

    supply: pool.Supply
    candidates: tuple[predict.Candidate, ...]
    beyond_base: int
    base: rootfs.Rootfs
    tools: rootfs.Rootfs
    tools_recipe: rootfs.Recipe
    emulator: str | None
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
    tools_supply, native_supply = _native_supplies(archive, supply, spec.name.distro, space)
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
    foreign = _Foreign(kept, debs, space, on_package)
    emulator, downloaded = foreign.emulate(spec.arch, tools_supply)
    downloaded += foreign.help_natively(spec.arch, spec.codename, native_supply, candidates)
    rest = tuple(each for each in candidates if each not in set(base_packages))
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
    return Supplies(supply, candidates, len(rest), base, tree, tools_recipe, emulator, downloaded)


@dataclass(frozen=True)
class _Foreign:
    """What an image of another architecture needs beside the rest."""

    kept: Path
    debs: pool.DebCache
    space: Workspace
    on_package: Callable[[int, int], None]

    def emulate(self, arch: str, supply: pool.Supply) -> tuple[str | None, int]:
        """Let programs of `arch` run from now on; what with, and how many bytes were fetched."""
        if emulation.way() is not Way.PRIVATE:
            return (None if emulation.way() is Way.NATIVE else "the build machine's own"), 0
        recipe = emulation.recipe(supply.root, arch)
        downloaded = self._unpack(recipe, supply, self.space.emulator)
        emulation.register(arch, self.space.emulator)
        (package,) = (each.package for each in recipe.candidates if each.package.name == PACKAGE)
        return f"{package.name} {package.version}", downloaded

    def help_natively(
        self, arch: str, suite: str, supply: pool.Supply, candidates: Sequence[predict.Candidate]
    ) -> int:
        """Unpack native programs for the image's tree; how many bytes were fetched."""
        if emulation.way() is Way.NATIVE:
            return 0
        recipe = native.recipe(supply.root, suite, candidates)
        downloaded = self._unpack(recipe, supply, self.space.native)
        native.furnish(self.space.native, arch)
        return downloaded

    def _unpack(self, recipe: rootfs.Recipe, supply: pool.Supply, folder: Path) -> int:
        tree, downloaded = rootfs.cached(self.kept, recipe), 0
        if tree is None:
            downloaded = _fetch(self.debs, supply, recipe.candidates, self.on_package)
            tree = rootfs.make(self.kept, recipe, supply, self.space)
        rootfs.unpack(tree, folder)
        return downloaded


def _fetch(
    debs: pool.DebCache,
    supply: pool.Supply,
    wanted: tuple[predict.Candidate, ...],
    on_package: Callable[[int, int], None],
) -> int:
    return debs.fetch(supply.root, wanted, supply.pool, on_package).bytes


def _native_supplies(
    archive: Archive, supply: pool.Supply, distro: str, space: Workspace
) -> tuple[pool.Supply, pool.Supply]:
    """What the tools tree is made from, and the image's sources for this machine's architecture.

    Often they are the same, or the image's own supply.
    """
    arch = aptroot.native_arch()
    own = sources.default_sources(tools.DISTRO, tools.SUITE)
    tools_root = archive.open(own, arch, tools.DISTRO)
    same_root = archive.reopen(supply.root, arch, distro)
    known = {supply.root.path: supply}
    for name, root in (("supply-tools", tools_root), ("supply-native", same_root)):
        if root.path not in known:
            known[root.path] = pool.open_supply(root, space.root / name, space.pool)
    return known[tools_root.path], known[same_root.path]
