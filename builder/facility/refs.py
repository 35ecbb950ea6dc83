# SPDX-License-Identifier: GPL-2.0-or-later
"""What people ask for: NAME, NAME:SERIAL or NAME:TAG, and which of the offers that is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from builder import names
from builder.errors import UsageError
from builder.facility.config import CUSTOM
from builder.imports.offers import Offer
from builder.manifest.parts import Serial, Series
from builder.store.index import Tag

SERIES: Final = TypeAdapter(Series)
SERIAL: Final = TypeAdapter(Serial)
TAG: Final = TypeAdapter(Tag)
# A name of ours with a serial behind it, as builds are written everywhere else.
BUILD: Final = re.compile(r"(?P<name>.+)-(?P<serial>[0-9]{8}(?:\.[1-9][0-9]*)?)")


@dataclass(frozen=True)
class Ref:
    """A series and, where one is named, a build of it by its serial or by a tag."""

    name: str
    serial: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.serial or self.tag}" if self.serial or self.tag else self.name


def parse(text: str) -> Ref:
    """Read NAME, NAME:SERIAL, NAME:TAG or NAME-SERIAL; UsageError for anything else."""
    name, colon, build = text.partition(":")
    if not colon and (found := BUILD.fullmatch(name)):
        name, build = found["name"], found["serial"]
    if colon and not build:
        raise UsageError(f"{text} names no build", hint="leave out the colon for the newest one")
    series = _series(name)
    if not build:
        return Ref(series)
    if _is(SERIAL, build):
        return Ref(series, serial=build)
    if _is(TAG, build):
        return Ref(series, tag=build)
    raise UsageError(
        f"{build!r} is neither a serial nor a tag",
        hint="serials look like 20261121.1, tags like 13.4, 202611 or rc1",
    )


def chosen(offers: Iterable[Offer], ref: Ref, channels: Sequence[str]) -> tuple[Offer, ...]:
    """The offers of the one build that a reference means, in the order that they came in.

    Without a serial or a tag it is the newest one of these channels; where none is named, the
    newest released one, else the newest one. A hidden build is found by its serial or tag only.
    There is nothing where no such build is offered; UsageError where it is a site's custom image.
    """
    named = [offer for offer in offers if offer.name == ref.name]
    if ref.serial:
        fit = [offer for offer in named if offer.serial == ref.serial]
    elif ref.tag:
        fit = [offer for offer in named if ref.tag in offer.tags]
    else:
        fit = _in(channels, [offer for offer in named if listed(offer)])
    ours = [offer for offer in fit if offer.channel != CUSTOM]
    if fit and not ours:
        raise UsageError(
            f"{fit[0]} is a custom image of {fit[0].remote}, and stays at its site",
            hint="take its file there, and fai-forge facility add FILE --name NAME here",
        )
    if not ours:
        return ()
    serial = newest(ours).serial
    return tuple(offer for offer in ours if offer.serial == serial)


def newest(offers: Iterable[Offer]) -> Offer:
    """The newest one, the first of several remotes that have it; ValueError where there is none."""
    return max(offers, key=lambda offer: names.serial_key(offer.serial))


def listed(offer: Offer) -> bool:
    """Whether a build is found without its serial: stores hide what is old."""
    return offer.build is None or offer.build.state == "public"


def _in(channels: Sequence[str], offers: list[Offer]) -> list[Offer]:
    ours = [each for each in offers if each.channel != CUSTOM]
    # Custom images are the answer only where there is nothing else: they are refused by name then.
    if not ours:
        return offers
    if channels:
        return [offer for offer in ours if offer.channel in channels]
    return [offer for offer in ours if offer.channel == "release"] or ours


def _series(name: str) -> str:
    """The canonical name of a series; of what others make, their name as it is."""
    try:
        return str(names.parse(name).series)
    except UsageError as error:
        # Products of other servers need not follow our grammar.
        if _is(SERIES, name):
            return name
        raise error


def _is(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True
