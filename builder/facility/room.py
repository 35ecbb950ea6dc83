# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether there is room for what a facility wants, on its disk and in its quota."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from builder import names
from builder.facility import refs, sizes
from builder.facility.amounts import in_words
from builder.facility.config import CUSTOM
from builder.facility.site import Site
from builder.facility.targets.target import Finding
from builder.imports.offers import Offer
from builder.store.index import StoreIndex


def wanted(site: Site, offers: Mapping[str, Sequence[Offer]]) -> tuple[Offer, ...]:
    """The offers that the site's rows ask for: of each series and channel, as many as are kept."""
    found: dict[tuple[str, str], dict[str, Offer]] = {}
    for remote in offers:
        for offer in offers[remote]:
            row = site.facility.wanted(offer.name) if refs.listed(offer) else None
            if row and remote in (row.remotes or offers) and offer.channel in row.channels:
                found.setdefault((offer.name, offer.channel), {}).setdefault(offer.serial, offer)
    return tuple(
        each
        for (name, _), builds in sorted(found.items())
        for each in _newest(builds.values(), _keep(site, name))
    )


def _keep(site: Site, name: str) -> int:
    row = site.facility.wanted(name)
    return row.keep if row else 0


def _newest(offers: Iterable[Offer], count: int) -> list[Offer]:
    return sorted(offers, key=lambda each: names.serial_key(each.serial))[-count:]


def space(
    site: Site, index: StoreIndex | None, offers: Mapping[str, Sequence[Offer]]
) -> Iterator[Finding]:
    """Whether what is wanted fits on the disk, and into the quota."""
    here = {
        (entry.name, build.serial)
        for entry in (index.series if index else ())
        for build in entry.builds
        if build.state != "removed"
    }
    chosen = wanted(site, offers)
    sizes_of = {(each.name, each.serial): _size(site, each) for each in chosen}
    # Sync takes the newest of each channel only; the others are those of the days to come.
    latest = {(each.name, each.channel): (each.name, each.serial) for each in chosen}
    missing = [sizes_of[key] for key in latest.values() if key not in here]
    # What is brought lies beside the store for a moment.
    need = sum(missing) + max(missing, default=0)
    root = existing(site.store.place.root)
    free = shutil.disk_usage(root).free
    yield Finding(
        free > need,
        "space",
        f"{in_words(free)} are free, and {in_words(need)} are needed to sync",
        "" if free > need else f"make room on the disk of {root}, or keep fewer builds",
    )
    quota = site.facility.store.quota
    if quota is not None:
        own = sizes.of_all(
            build
            for entry in (index.series if index else ())
            for build in entry.builds
            if build.channel == CUSTOM
        )
        total = sum(sizes_of.values()) + own
        yield Finding(
            total <= quota,
            "quota",
            f"{in_words(total)} of {in_words(quota)} are taken by what is wanted",
            "" if total <= quota else "raise store.quota, or keep fewer builds or formats",
        )


def _size(site: Site, offer: Offer) -> int:
    row = site.facility.wanted(offer.name)
    return sum(image.size or 0 for image in offer.of(row.formats if row else ()))


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder
