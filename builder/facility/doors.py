# SPDX-License-Identifier: GPL-2.0-or-later
"""How remotes and targets are opened: each kind's module is loaded when it is needed.

Others get these functions handed to them, so that a test can hand them something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

from builder.facility.kinds import RemoteEntry, TargetEntry
from builder.facility.offers import Remote
from builder.facility.site import Site
from builder.facility.targets.target import Target

OpenRemote = Callable[[str, RemoteEntry, Site], Remote]
OpenTarget = Callable[[str, TargetEntry, Site], Target]


def _remote(name: str, entry: RemoteEntry, site: Site) -> Remote:
    module = import_module("builder.facility.remotes.open")
    return cast(Remote, module.open_remote(name, entry, site))


def _target(name: str, entry: TargetEntry, site: Site) -> Target:
    module = import_module("builder.facility.targets.open")
    return cast(Target, module.open_target(name, entry, site))


@dataclass(frozen=True)
class Doors:
    """The ways to a site's remotes and targets."""

    remote: OpenRemote = _remote
    target: OpenTarget = _target


DOORS: Final = Doors()
