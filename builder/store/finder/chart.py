# SPDX-License-Identifier: GPL-2.0-or-later
"""The sizes of a series' builds over time, as bars for an SVG image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder.store.finder.wording import count, size
from builder.store.index import Build, Image

# Of the drawing, in its own units; the page stretches it.
HEIGHT = 100
STEP = 10
BAR = 7
# More would be too thin to see on a phone; fewer are not drawn wider than these many.
SHOWN = 60
ROOM_FOR = 24


@dataclass(frozen=True)
class Bar:
    """One build; lengths are in the drawing's units, from its upper left corner."""

    build: Build
    image: Image
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Chart:
    """Bars from zero, oldest first; `bar` is the width of each.

    `largest` is in bytes, and `summary` says what there is to see.
    """

    bars: tuple[Bar, ...]
    width: int
    height: int
    bar: int
    format: str
    largest: int
    summary: str


def chart(builds: Sequence[Build]) -> Chart | None:
    """The chart of builds, oldest first; None where fewer than two can be compared.

    One format is shown: the first of the newest build's.
    """
    if not builds or not builds[-1].images:
        return None
    shown = builds[-1].images[0].format
    found = [(build, image) for build in builds if (image := _of_format(build, shown))][-SHOWN:]
    largest = max(image.size for _, image in found)
    if len(found) < 2 or not largest:
        return None
    bars = tuple(_bar(build, image, number, largest) for number, (build, image) in enumerate(found))
    return Chart(bars, STEP * max(len(bars), ROOM_FOR), HEIGHT, BAR, shown, largest, _summary(bars))


def _of_format(build: Build, name: str) -> Image | None:
    return next((image for image in build.images if image.format == name), None)


def _bar(build: Build, image: Image, number: int, largest: int) -> Bar:
    height = round(HEIGHT * image.size / largest, 1)
    return Bar(build, image, STEP * number, round(HEIGHT - height, 1), height)


def _summary(bars: Sequence[Bar]) -> str:
    first, last = bars[0], bars[-1]
    return (
        f"{count(len(bars), 'build')}, from {size(first.image.size)} ({first.build.serial})"
        f" to {size(last.image.size)} ({last.build.serial})"
    )
