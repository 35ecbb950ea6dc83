# SPDX-License-Identifier: GPL-2.0-or-later
"""Oracle's description of one of its templates: a JSON document with the newest image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from pydantic import BaseModel

from builder.checksums import Checksum
from builder.downloads import records
from builder.downloads.client import public
from builder.errors import InfrastructureError
from builder.imports.vouching import by_tls
from builder.manifest.parts import Sha256
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import OracleIndex
from builder.upstream.series import Series


class _Image(BaseModel):
    image: str
    sha256: Sha256


class _Template(BaseModel):
    base_url: str


def candidates(index: OracleIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The one version that the document tells, with its digest."""
    url = series.fill(index.url)
    content = asking.document(url, series.upstream).json()
    folder = records.model(_Template, content, url).base_url.strip("/")
    image = records.model(_Image, _part(content, index.format, url), url)
    words = told(series, image.image)
    if words is not None:
        place = records.path(f"{folder}/{image.image}", InfrastructureError)
        yield Candidate(
            image.image,
            urljoin(url, f"/{place}"),
            *words,
            checksum=Checksum("sha256", image.sha256),
            vouched=by_tls(url.rpartition("/")[2]),
        )


def _part(content: Mapping[str, Any], name: str, url: str) -> Any:
    if name not in content:
        raise InfrastructureError(
            f"{public(url)} has no image {name}", hint="is it the right address?"
        )
    return content[name]
