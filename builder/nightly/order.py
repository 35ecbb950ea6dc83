# SPDX-License-Identifier: GPL-2.0-or-later
"""What a nightly is asked for, and what its plan says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder import names
from builder.builds import Builds
from builder.images import Images
from builder.manifest.decision import Decision
from builder.nightly.chain import Site
from builder.nightly.facts import Decides
from builder.nightly.folder import RunFolder
from builder.nightly.model import ImageRun
from builder.nightly.program import PAUSE, Runs, as_program
from builder.store.writing import Publisher


@dataclass(frozen=True)
class Order:
    """What a nightly is asked for; `now` is in UTC, and `pause` in seconds.

    `decide` is the plan; `runs` runs a step, of at most `jobs` images at a time.
    """

    site: Site
    names: Sequence[names.Name]
    images: Images
    publisher: Publisher
    decide: Decides
    now: datetime
    jobs: int = 1
    tags: Path | None = None
    runs: Runs = as_program
    pause: float = PAUSE

    @property
    def builds(self) -> Builds:
        """The folder of builds."""
        return Builds(self.site.out)


@dataclass(frozen=True)
class Planned:
    """The decisions, and the serial of each image that is to be published."""

    folder: RunFolder
    decisions: tuple[Decision, ...]
    serials: dict[str, str]

    def earlier(self, name: str) -> ImageRun | None:
        """What an earlier call of this nightly told of an image."""
        before = self.folder.before
        found = (each for each in before.images if each.name == name) if before else ()
        return next(iter(found), None)
