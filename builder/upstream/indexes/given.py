# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that a site supplies, as files or at URLs, with their digests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from builder.checksums import Checksum
from builder.errors import UsageError
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, Told, told
from builder.upstream.kinds import GivenImage, GivenIndex
from builder.upstream.series import Series


def candidates(index: GivenIndex, series: Series, _asking: Asking) -> Iterator[Candidate]:
    """What the site supplies for this architecture; UsageError for what has no version."""
    for image in index.of(series.arch):
        url = _url(image, series)
        name = unquote(urlsplit(url).path).rpartition("/")[2]
        yield Candidate(
            name,
            url,
            *(Told(image.version) if image.version else _told(name, series)),
            modified=datetime.combine(image.date, time(), UTC),
            checksum=Checksum("sha256", image.sha256),
            vouched=f"{series.path.name}, in which this site says what it must be",
        )


def _url(image: GivenImage, series: Series) -> str:
    if image.file is None:
        return series.fill(image.url or "")
    path = series.path.parent / Path(series.fill(image.file)).expanduser()
    return path.resolve().as_uri()


def _told(name: str, series: Series) -> Told:
    words = told(series, name) if series.traits.file else None
    if words is None:
        raise UsageError(
            f"{series.path} does not say which version {name} is",
            hint="give the image a version:",
        )
    return words
