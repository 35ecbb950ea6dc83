# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstream pull: the newest version of each image comes into a store, and old ones leave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from builder.progress import Progress
from builder.store.index import Build
from builder.store.retention import Step
from builder.store.writing import Publisher
from builder.upstream.asking import Asking
from builder.upstream.checking import Checked
from builder.upstream.choosing import Chosen

Answer = Literal["pulled", "planned", "unchanged", "older", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What came of one image; `transferred` are bytes of images that came over the line."""

    checked: Checked
    answer: Answer
    build: Build | None = None
    transferred: int = 0
    error: str = ""
    hint: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Pulled:
    """What came of all: the images, the old builds that went, and what failed beside them."""

    outcomes: tuple[Outcome, ...]
    removed: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether anything did."""
        return bool(self.errors) or any(each.answer == "failed" for each in self.outcomes)


def pull(
    chosen: Chosen,
    asking: Asking,
    publisher: Publisher,
    now: datetime,
    progress: Progress,
    *,
    jobs: int = 2,
    dry_run: bool = False,
) -> Pulled:
    """Bring what is newer upstream into a store, in the channel `upstream`, and let old ones go.

    One image that fails stops neither the others nor the cleanup. A dry run only asks.
    """
    raise NotImplementedError
