# SPDX-License-Identifier: GPL-2.0-or-later
"""FAI classes: their `class.yaml`, the catalogue of them all, and the way from a name to them."""

from __future__ import annotations

from builder.classes.catalogue import Catalogue, FaiClass, load
from builder.classes.offline import ClassPromise, promises
from builder.classes.overlays import Overlay, outside_overlays, own_overlays
from builder.classes.resolve import ImageSpec, resolve, series

__all__ = [
    "Catalogue",
    "ClassPromise",
    "FaiClass",
    "ImageSpec",
    "Overlay",
    "load",
    "outside_overlays",
    "own_overlays",
    "promises",
    "resolve",
    "series",
]
