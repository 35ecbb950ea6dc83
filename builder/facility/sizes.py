# SPDX-License-Identifier: GPL-2.0-or-later
"""What builds take on the disk, in bytes."""

from __future__ import annotations

from collections.abc import Iterable

from builder.store.index import Build, StoreIndex


def of(build: Build) -> int:
    """What a build takes, but for its logs and other small files; a removed one nearly nothing."""
    if build.state == "removed":
        return 0
    files = (*build.images, *build.deltas, build.manifest, build.sums)
    return sum(file.size for file in files) + (build.metadata.size if build.metadata else 0)


def of_all(builds: Iterable[Build]) -> int:
    """What several builds take."""
    return sum(of(build) for build in builds)


def of_store(index: StoreIndex | None) -> int:
    """What all builds of a store take."""
    return of_all(build for entry in (index.series if index else ()) for build in entry.builds)
