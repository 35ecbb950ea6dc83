# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds leave a site's own store: first its index says so, then their files go.

Whoever is killed in between leaves a true index, and files that the next removal takes away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from builder.facility.site import LocalStore
from builder.store import tending
from builder.store.index import Build


def remove(
    store: LocalStore, builds: Sequence[tuple[str, Build]], now: datetime
) -> frozenset[tuple[str, str]]:
    """Remove builds, each given with its series; the series and serials of those that went.

    Their manifests stay, and so do builds that somebody tagged.
    """
    if not builds:
        return frozenset()
    steps = tending.remove(store.publisher, builds, now, "this site keeps others")
    return frozenset((step.series, step.build.serial) for step in steps)


def complete(store: LocalStore, now: datetime) -> None:
    """Take away what a removal left that was killed, and write what follows from the index."""
    if store.index() is not None:
        tending.remove(store.publisher, (), now, "")
