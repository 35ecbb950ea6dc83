# SPDX-License-Identifier: GPL-2.0-or-later
"""Which builds somebody means who publishes: by name, by a build's folder, by a folder of many."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from builder import names
from builder.builds import MANIFEST, Builds, Built
from builder.errors import UsageError
from builder.manifest import document


def select(words: Iterable[str], builds: Builds) -> tuple[Built, ...]:
    """The builds that words mean, each once and in their order; UsageError for what is none.

    A word is the folder of a build, that of an image (its newest build), or of several (the newest
    of each); else a build or an image of `builds`. No word is all images of `builds`.
    """
    given = list(words)
    found = [each for word in given for each in _meant(word, builds)] if given else _newest(builds)
    return tuple(dict.fromkeys(found))


def _meant(word: str, builds: Builds) -> tuple[Built, ...]:
    path = Path(word)
    if not path.is_dir():
        if "/" in word:
            raise UsageError(
                f"there is no folder {word}", hint="give a folder of builds, or a name"
            )
        return (builds.find(names.parse(word)),)
    folder = path.absolute()
    manifests = sorted(folder.glob(f"*.{MANIFEST}"))
    if not manifests:
        of_image = Builds(folder.parent).of(folder.name)
        return of_image[-1:] or _newest(Builds(folder))
    if len(manifests) > 1:
        raise UsageError(
            f"{word} holds {len(manifests)} manifests",
            hint="a build's folder has one: *." + MANIFEST,
        )
    manifest = document.load_any(manifests[0])
    return (Built(manifest.name, manifest.serial, folder),)


def _newest(builds: Builds) -> tuple[Built, ...]:
    """The newest build of each image."""
    newest = {built.name: built for built in builds.all()}
    if not newest:
        raise UsageError(
            f"there is no build in {builds.root}", hint="fai-forge build NAME makes one"
        )
    return tuple(newest.values())
