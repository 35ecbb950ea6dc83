# SPDX-License-Identifier: GPL-2.0-or-later
"""Stub."""

from __future__ import annotations

from builder.errors import InfrastructureError
from builder.facility.kinds import TargetEntry
from builder.facility.site import Site
from builder.facility.targets.target import Target


def open_target(name: str, entry: TargetEntry, site: Site) -> Target:
    """Stub."""
    raise InfrastructureError(f"{name}: {entry.kind} of {site.folder} is not there yet")
