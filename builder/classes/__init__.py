# SPDX-License-Identifier: GPL-2.0-or-later
"""FAI classes: their `class.yaml`, the catalogue of them all, and the way from a name to them."""

from __future__ import annotations

from builder.classes.catalogue import Catalogue, FaiClass, Overlay, load, own_overlays
from builder.classes.resolve import ImageSpec, resolve, series

__all__ = [
    "Catalogue",
    "FaiClass",
    "ImageSpec",
    "Overlay",
    "load",
    "own_overlays",
    "resolve",
    "series",
]
