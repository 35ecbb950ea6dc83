# SPDX-License-Identifier: GPL-2.0-or-later
"""What changed since the build that a store has of an image, built here or by others."""

from __future__ import annotations

from builder.images import Images
from builder.manifest.changelog import ImageChangelog
from builder.manifest.changes import Side, changelog
from builder.manifest.imported import Document, Imported
from builder.planning.explain import Explainer
from builder.store import reading
from builder.store.index import StoreIndex
from builder.store.place import Readable


def since(
    place: Readable,
    index: StoreIndex | None,
    new: Document,
    rows: Images,
    explainer: Explainer,
    channel: str | None = None,
) -> ImageChangelog | None:
    """The changelog from the newest build before, of one channel or of any, to this one.

    None for the first one, and where nobody lists the packages of both.
    """
    entry = reading.series(index, new.name) if index else None
    before = reading.newest(entry, channel, below=new.serial) if entry else None
    if before is None or not _listed(new):
        return None
    old = reading.described(place, new.name, before)
    if not _listed(old):
        return None
    return changelog(
        Side.of(old), Side.of(new), impact=rows.impact.of, fixes=explainer.fixes(new.codename)
    )


def _listed(each: Document) -> bool:
    return not isinstance(each, Imported) or bool(each.packages)
