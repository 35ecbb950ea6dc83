# SPDX-License-Identifier: GPL-2.0-or-later
"""How remotes and targets are opened.

Others get these functions handed to them, so that a test can hand them something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from builder.facility.kinds import RemoteEntry, TargetEntry
from builder.facility.remotes.open import open_remote
from builder.facility.site import Site
from builder.facility.targets.open import open_target
from builder.facility.targets.target import Target
from builder.imports.offers import Remote

OpenRemote = Callable[[str, RemoteEntry, Site], Remote]
OpenTarget = Callable[[str, TargetEntry, Site], Target]


@dataclass(frozen=True)
class Doors:
    """The ways to a site's remotes and targets."""

    remote: OpenRemote = open_remote
    target: OpenTarget = open_target


DOORS: Final = Doors()
