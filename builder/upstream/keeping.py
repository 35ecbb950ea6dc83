# SPDX-License-Identifier: GPL-2.0-or-later
"""How many versions of an image its YAML file wants kept, for who expires a whole store."""

from __future__ import annotations

from collections.abc import Iterator

from builder.store.index import SeriesEntry
from builder.store.retention import Keeps
from builder.upstream.catalogue import Catalogue, Source


def keeps(catalogue: Catalogue) -> Keeps:
    """What answers for a series of a store; None for one that no file is about, or says of.

    Nobody is asked which releases there are: what is said of all of them counts for each.
    """

    def kept(entry: SeriesEntry) -> int | None:
        said = (_said(source, entry.release) for source in _about(entry, catalogue))
        return next(filter(None, said), None)

    return kept


def _about(entry: SeriesEntry, catalogue: Catalogue) -> Iterator[Source]:
    """The files about a series, the one that counts first."""
    for source in reversed(tuple(catalogue.sources.values())):
        upstream = source.upstream
        same = (upstream.distro, set(upstream.roles)) == (entry.distro, set(entry.roles))
        # Without `newest`, what is listed is all: two files may share a distribution.
        listed = entry.release in {each.release for each in upstream.releases}
        if same and (listed or upstream.newest is not None):
            yield source


def _said(source: Source, release: str) -> int | None:
    listed = {each.release: each.keep for each in source.upstream.releases}
    return listed.get(release) or source.upstream.keep
