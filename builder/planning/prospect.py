# SPDX-License-Identifier: GPL-2.0-or-later
"""What builds of images would get now: packages, archives and config space, without building."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from builder import __version__, classes, configspace
from builder.archive import predict, sources
from builder.archive.aptroot import AptRoot
from builder.errors import ForgeError
from builder.install import fai
from builder.install.supplies import Archive
from builder.names import Name
from builder.paths import Cache
from builder.policy.facts import Prospect
from builder.progress import NoProgress, Progress

A = TypeVar("A")
B = TypeVar("B")

# Refreshing waits for the network; predicting works.
REFRESHES = 4


@dataclass(frozen=True)
class Ground:
    """What a plan stands on: a project's classes, a cache, and the mirrors of a distribution.

    No mirror (None) is this machine's own.
    """

    project: Path
    known: classes.Catalogue
    cache: Cache
    mirror: str | None = None
    security_mirror: str | None = None

    def root(self, spec: classes.ImageSpec) -> AptRoot:
        """The private apt root of an image; images with the same sources share it."""
        distro = spec.name.distro
        archive = Archive(self.cache, self.mirror, self.security_mirror, distro)
        with ThreadPoolExecutor(max_workers=1) as other:
            # Both wait for a program, and a person for both; `open` has the answer then.
            asked = other.submit(archive.mirrors, distro)
            own = sources.image_sources(distro, spec.codename, spec.sources)
            asked.result()
        return archive.open(own, spec.arch, distro)


def look(ground: Ground, name: Name) -> Prospect:
    """What a build of one image would get; raises the ForgeError that says why nobody knows."""
    (found,) = look_at(ground, [name], NoProgress()).values()
    if isinstance(found, ForgeError):
        raise found
    return found


def look_at(
    ground: Ground, names: Sequence[Name], progress: Progress
) -> dict[Name, Prospect | ForgeError]:
    """What builds of some images would get, in their order, or why nobody knows.

    Each archive is refreshed once for all images that use it. A name that the classes do not make
    raises UsageError.
    """
    specs = [classes.resolve(ground.known, name) for name in names]
    progress.stage("Refreshing the package indexes")
    roots = _all(ground.root, specs, REFRESHES)
    distinct = {root.path: root for root in roots if isinstance(root, AptRoot)}
    answers = _all(AptRoot.refresh, distinct.values(), REFRESHES, progress)
    refreshed = dict(zip(distinct, answers, strict=True))

    def predicted(item: tuple[classes.ImageSpec, AptRoot | ForgeError]) -> Prospect:
        spec, root = item
        if isinstance(root, ForgeError):
            raise root
        if isinstance(error := refreshed[root.path], ForgeError):
            raise error
        return _prospect(ground, spec, root)

    progress.stage("Predicting packages")
    pairs = list(zip(specs, roots, strict=True))
    prospects = _all(predicted, pairs, os.cpu_count() or 1, progress)
    return dict(zip(names, prospects, strict=True))


def _all(
    call: Callable[[A], B], items: Collection[A], workers: int, progress: Progress | None = None
) -> list[B | ForgeError]:
    """Call for each item side by side; an error takes the place of its answer."""

    def tried(item: A) -> B | ForgeError:
        try:
            return call(item)
        except ForgeError as error:
            return error

    found = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for answer in pool.map(tried, items):
            found.append(answer)
            if progress is not None:
                progress.update(len(found), len(items))
    return found


def _prospect(ground: Ground, spec: classes.ImageSpec, root: AptRoot) -> Prospect:
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        space = configspace.merge(
            ground.project / "fai-config",
            ground.known.overlays(spec.classes),
            Path(folder, "config"),
            settings=spec.settings,
        )
        asked = fai.wanted_packages(space.root, spec.classes)
        pins = fai.preferences(space.root, spec.classes, Path(folder, "pins"))
        # Another plan or build may refresh the same root; this one is of one state.
        with root.locked(shared=True):
            releases = root.releases()
            found = predict.predict(
                root, asked.packages, recommends=asked.recommends, preferences=pins
            )
    return Prospect(
        name=str(spec.name.series),
        packages=tuple(each.package for each in found),
        releases=releases,
        config=space.digest,
        tool_version=__version__,
        security={each.package.name: each.security for each in found if each.security},
    )
