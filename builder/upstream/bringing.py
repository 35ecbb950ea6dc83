# SPDX-License-Identifier: GPL-2.0-or-later
"""One image of an upstream, brought here: from its server or a mirror, verified and described."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from builder import paths
from builder.errors import ForgeError, InfrastructureError
from builder.imports import bringing
from builder.imports.bringing import Description
from builder.imports.offers import Brought, Offer
from builder.manifest.model import Package
from builder.store.place import OnBytes
from builder.upstream import detached, packages, scs
from builder.upstream.asking import Asking
from builder.upstream.finding import Found

# Hidden, so that no facility has this name.
FOLDER: Final = ".upstream"
# Bytes of an image whose size nobody tells.
LARGEST: Final = 32 << 30


@dataclass(frozen=True)
class Arrived:
    """An image in a folder laid out as a build's; `warning` says what is missing beside it."""

    offer: Offer
    brought: Brought
    warning: str = ""


def incoming(name: str) -> Path:
    """Where what comes of a series lies until it is in a store."""
    return paths.cache().incoming / FOLDER / name


def bring(found: Found, serial: str, asking: Asking, on_bytes: OnBytes) -> Arrived:
    """Bring an image here as the build with that serial, going on where that was broken off.

    Its places are asked in turn. InfrastructureError as the first of them failed.
    """
    offer = replace(found.offer, serial=serial)
    listed, warning = _packages(found, asking)
    description = Description(
        title=found.series.title,
        default_user=found.series.traits.default_user or "",
        properties=scs.properties(found),
        packages=listed,
        min_disk=found.series.traits.min_disk or 0,
    )
    vouch = detached.vouch(found, asking)
    folder = incoming(offer.name) / serial
    first: InfrastructureError | None = None
    for address, client in found.places(asking):
        here = replace(offer, images=tuple(replace(each, url=address) for each in offer.images))
        try:
            brought = bringing.bring(
                client, here, description, (), folder, on_bytes, vouch=vouch, largest=LARGEST
            )
        except InfrastructureError as error:
            first = first or error
        else:
            return Arrived(offer, brought, warning)
    assert first is not None
    raise first


def _packages(found: Found, asking: Asking) -> tuple[tuple[Package, ...], str]:
    """The packages that are published with an image, and why there are none.

    Without them an image is still as good, so it need not wait for them.
    """
    try:
        return packages.read(found.series, found.candidate, asking), ""
    except ForgeError as error:
        return (), f"it comes without its list of packages: {error.message}"
