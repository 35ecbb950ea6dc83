# SPDX-License-Identifier: GPL-2.0-or-later
"""What a remote offers, whatever it is: images by name and serial, and a way to bring them here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from builder.store.index import Build
from builder.store.place import OnBytes


@dataclass(frozen=True)
class OfferedFile:
    """One image file of an offer.

    `size` is in bytes, None where the remote does not tell it. `digest` is hexadecimal, made by
    `algorithm` ("sha256" or "sha512"); both are empty where only the transport vouches.
    """

    name: str
    format: str
    url: str
    size: int | None = None
    algorithm: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Offer:
    """One build of a series, as one remote has it.

    `date` is when it was made or published there, `version` what its makers call it, `vouched` what
    vouches for its digests, in one line. `build` is the entry of an index, where the remote is a
    store of ours; a store's images keep their names, manifests and everything beside them.
    """

    remote: str
    name: str
    serial: str
    channel: str
    images: tuple[OfferedFile, ...]
    vouched: str
    date: datetime | None = None
    version: str = ""
    tags: tuple[str, ...] = ()
    build: Build | None = None

    def __str__(self) -> str:
        return f"{self.name}-{self.serial}"

    def of(self, formats: Sequence[str]) -> tuple[OfferedFile, ...]:
        """The images in the formats that are wanted; all of them where none is named."""
        return tuple(image for image in self.images if not formats or image.format in formats)


@dataclass(frozen=True)
class Brought:
    """What came of bringing an offer.

    `folder` is laid out as a build's folder: the manifest, the images that were asked for, and what
    is beside them. `transferred` counts the bytes that came over the line; `how` says in a word or
    two how the images came, such as "whole" or "1 delta".
    """

    folder: Path
    transferred: int
    how: str


class Remote(Protocol):
    """A place that others publish images in. It has no part in what is visible here."""

    @property
    def name(self) -> str:
        """What the facility calls it."""

    @property
    def url(self) -> str:
        """Where it is, without secrets."""

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        """All that it offers (or of one series), the oldest first; only what was verified.

        Raises InfrastructureError where it cannot be reached, is not signed as it must be, shows an
        older state than one that was seen, or says nonsense.
        """

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring an offer of this remote into a folder, going on where that was broken off before.

        The files have their names only when they are whole and verified. Two at once in the same
        folder: the second one is refused with InfrastructureError.
        """
