# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's description of its newest cloud image: a build, and its upload in each format.

Source: https://salsa.debian.org/cloud-team/debian-cloud-images
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel

from builder import checksums
from builder.downloads import records
from builder.downloads.client import Absent, public
from builder.downloads.records import Rows
from builder.errors import InfrastructureError
from builder.imports import vouching
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import DebianIndex
from builder.upstream.series import Series

# The labels of an upload, and what it has a digest in.
FORMAT: Final = "upload.cloud.debian.org/image-format"
TYPE: Final = "upload.cloud.debian.org/type"
FINISHED: Final = "release"
DIGEST: Final = "cloud.debian.org/digest"
UPLOAD: Final = "Upload"


class _Data(BaseModel):
    ref: str = ""


class _Metadata(BaseModel):
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class _Item(BaseModel):
    kind: str
    data: _Data = _Data()
    metadata: _Metadata = _Metadata()


class _Items(BaseModel):
    kind: Literal["List"]
    items: Rows[_Item]


def candidates(index: DebianIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The upload in the format that is wanted; its reference has the version in its name."""
    url, images = series.fill(index.url), series.fill(index.images)
    try:
        document = asking.document(url, series.upstream)
    except Absent as error:
        raise Absent(
            f"{public(url)} is not there: the image is not made any more, or has moved",
            hint=f"look for it on its server, and correct {series.path}",
        ) from error
    for item in records.model(_Items, document.json(), url).items:
        labels = item.metadata.labels
        if item.kind != UPLOAD or labels.get(FORMAT) != index.format:
            continue
        if labels.get(TYPE, FINISHED) != FINISHED and not asking.beta:
            continue
        file = item.data.ref.rpartition("/")[2]
        words = told(series, file)
        if words is None:
            continue
        digest = item.metadata.annotations.get(DIGEST, "")
        yield Candidate(
            file,
            f"{images}{records.path(item.data.ref, InfrastructureError)}",
            *words,
            checksum=checksums.digest(digest, public(url)),
            vouched=vouching.by_tls(url.rpartition("/")[2]),
        )
