# SPDX-License-Identifier: GPL-2.0-or-later
"""What each source is about, as far as its file tells, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from builder.names import Name
from builder.upstream import scs
from builder.upstream.asking import Asking
from builder.upstream.catalogue import Catalogue, Source
from builder.upstream.model import Traits


@dataclass(frozen=True)
class Row:
    """Images of one source that are found and signed in the same way.

    `images` are names without an architecture; a pattern where only the index knows the releases.
    `signed` is what a signature is over, and `unsigned` why there is none.
    """

    source: str
    path: Path
    images: tuple[str, ...]
    arches: tuple[str, ...]
    index: str
    keep: int
    signed: str
    keys: tuple[str, ...]
    unsigned: str


def rows(catalogue: Catalogue) -> tuple[Row, ...]:
    """All sources, each in as many rows as it has kinds of images."""
    return tuple(row for source in catalogue.sources.values() for row in _of(source))


def _of(source: Source) -> Iterator[Row]:
    kinds: dict[Row, list[str]] = {}
    for image, traits in _images(source):
        names = kinds.setdefault(_row(source, traits), [])
        if image not in names:
            names.append(image)
    for row, images in kinds.items():
        yield replace(row, images=tuple(images))


def _images(source: Source) -> Iterator[tuple[str, Traits]]:
    """The images, and what is said of each."""
    upstream = source.upstream
    if upstream.newest is not None and upstream.newest.of == "index":
        yield "-".join((upstream.distro, "*", *upstream.roles)), upstream
        return
    for series in source.series(Asking()):
        plain = Name(upstream.distro, series.release.release, upstream.roles)
        yield str(plain), series.traits


def _row(source: Source, traits: Traits) -> Row:
    """A row without its images."""
    signature = traits.signature
    return Row(
        source=source.name,
        path=source.path,
        images=(),
        arches=tuple(traits.arches or ()),
        index=traits.index.kind if traits.index else "",
        keep=traits.keep or scs.KEEP,
        signed=signature.over if signature else "",
        keys=signature.keys if signature else (),
        unsigned=traits.unsigned or "",
    )
