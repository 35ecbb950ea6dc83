# SPDX-License-Identifier: GPL-2.0-or-later
"""What is newest upstream, what a store has of it, and what follows from both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from builder.manifest.imported import Origin
from builder.progress import Progress
from builder.store.index import Build, StoreIndex
from builder.store.place import Readable
from builder.upstream.asking import Asking
from builder.upstream.choosing import Chosen
from builder.upstream.finding import Found
from builder.upstream.series import Series

# "new": it is not in the store; "older": the store has a newer one; "skipped": a site has to supply
# it, and did not.
State = Literal["new", "current", "older", "skipped", "failed"]


@dataclass(frozen=True)
class Had:
    """The newest build of a series that a store took from its upstream, and what it says of it."""

    build: Build
    origin: Origin


@dataclass(frozen=True)
class Checked:
    """One image: its newest version upstream, and in a store.

    `name` is the series, or the source where nobody knows its releases. `serial` is what the
    version has, or would get, in the store. `reason` says in one line why the state is what it is;
    `hint` what to do about a failure.
    """

    name: str
    source: str
    state: State
    reason: str = ""
    hint: str = ""
    series: Series | None = None
    found: Found | None = None
    had: Had | None = None
    serial: str = ""


@dataclass(frozen=True)
class Shelf:
    """A store that is looked into: its index as it was read, and where its manifests are."""

    place: Readable
    index: StoreIndex | None


def check(
    chosen: Chosen,
    asking: Asking,
    shelf: Shelf | None,
    now: datetime,
    progress: Progress,
    jobs: int = 4,
) -> Sequence[Checked]:
    """Ask for the newest version of each image; one that fails stops no other."""
    raise NotImplementedError
