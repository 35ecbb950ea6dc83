# SPDX-License-Identifier: GPL-2.0-or-later
"""A file with nothing but the newest version in it, such as CirrOS'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from builder.downloads import records
from builder.downloads.client import public
from builder.errors import InfrastructureError
from builder.upstream.asking import Asking
from builder.upstream.candidates import WORDS, Candidate
from builder.upstream.kinds import VersionFileIndex
from builder.upstream.model import Upstream
from builder.upstream.series import Series

# Bytes.
LARGEST: Final = 4096
VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.+~_-]{0,63}")


def candidates(index: VersionFileIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The one version that the file tells, if it is of this release."""
    version = _told(series.fill(index.url), series.upstream, asking)
    if _release(version) == series.release.release:
        image = series.fill(index.image, version=records.part(version))
        yield Candidate(image.rpartition("/")[2], image, version=version)


def releases(index: VersionFileIndex, upstream: Upstream, asking: Asking) -> Iterator[str]:
    """The release of that version: 0.6 of 0.6.3."""
    yield _release(_told(index.url, upstream, asking))


def _told(url: str, upstream: Upstream, asking: Asking) -> str:
    """The version in a file; InfrastructureError where it holds another thing."""
    text = asking.document(url, upstream, largest=LARGEST).content.decode(errors="replace")
    version = text.strip()
    if not VERSION.fullmatch(version) or WORDS.search(version):
        raise InfrastructureError(
            f"{public(url)} holds no version",
            hint="look at it: a server may send a web page in its place",
        )
    return version


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])
