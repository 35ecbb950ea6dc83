# SPDX-License-Identifier: GPL-2.0-or-later
"""What a decision is made from: what is published, and what a build would get now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from builder.errors import ForgeError
from builder.manifest.model import Manifest
from builder.models import AptSource, Package


@dataclass(frozen=True)
class Prospect:
    """What a build of an image would get now.

    `security` has, by binary package, every version of it that a security archive holds. `config`
    is the digest of the merged config space, `tool_version` that of fai-forge.
    """

    name: str
    packages: tuple[Package, ...]
    releases: tuple[AptSource, ...]
    config: str
    tool_version: str
    security: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """All that is known about one image at the time `now` (UTC).

    An error in place of a manifest or a prospect says why nobody knows; None for `published` means
    that nothing is published.
    """

    name: str
    now: datetime
    published: Manifest | ForgeError | None
    prospect: Prospect | ForgeError
    forced: bool = False
