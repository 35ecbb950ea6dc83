# SPDX-License-Identifier: GPL-2.0-or-later
"""What every place that images go to can do; a site may write its own (docs/targets.md).

A name at a target always points at a good image: the new one is brought beside it, looked at, and
takes the name at the end. A target holds copies: the local store is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from builder.manifest.imported import Document
from builder.progress import Progress


@dataclass(frozen=True)
class Item:
    """One image of the local store that goes to a target; `size` is in bytes."""

    path: Path
    format: str
    size: int
    sha256: str
    manifest: Document
    channel: str
    secure_boot: bool = False
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The series."""
        return self.manifest.name

    @property
    def serial(self) -> str:
        """Which build of the series."""
        return self.manifest.serial


@dataclass(frozen=True)
class Held:
    """One image that a target has of us.

    `reference` is what the target itself calls it (a path, a volume, an id); `current` says whether
    the series' name points at it, and `in_use` whether something there was made from it, so that it
    must stay.
    """

    name: str
    serial: str
    reference: str
    current: bool
    in_use: bool = False


@dataclass(frozen=True)
class Placed:
    """What became of an item: it is there since now, or was before."""

    answer: Literal["placed", "unchanged"]
    reference: str


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at before anything is done; `hint` says how to mend it."""

    ok: bool
    subject: str
    sentence: str
    hint: str = ""


class Target(Protocol):
    """A place that images go to."""

    @property
    def name(self) -> str:
        """What the facility calls it."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it takes, the best one first."""

    def check(self) -> tuple[Finding, ...]:
        """Whether it can be reached and written to; it changes nothing that stays."""

    def put(self, item: Item, progress: Progress) -> Placed:
        """Bring an image there, look at what arrived, and then let the series' name mean it.

        Called again, it goes on, or finds it there. InfrastructureError leaves the name where it
        was.
        """

    def held(self) -> tuple[Held, ...]:
        """What is there of ours; nothing else is ever touched."""

    def remove(self, held: Held) -> None:
        """Remove one image that is not current; no error if it is not there."""
