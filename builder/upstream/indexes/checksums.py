# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of digests that names all versions, such as AlmaLinux' CHECKSUM."""

from __future__ import annotations

from collections.abc import Iterator

from builder import checksums
from builder.downloads import records
from builder.errors import InfrastructureError
from builder.upstream import signing
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, is_finished, told
from builder.upstream.kinds import ChecksumsIndex
from builder.upstream.series import Series


def candidates(index: ChecksumsIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The versions that the list names; all of them have their digests."""
    url = series.fill(index.list)
    folder, _, title = url.rpartition("/")
    content, vouched = signing.listed(url, series, asking)
    found = checksums.parse(content, url, checksums.algorithm_of(title))
    for name in found.names:
        words = told(series, name)
        if words is not None and is_finished(name, asking.beta):
            address = f"{folder}/{records.path(name, InfrastructureError)}"
            yield Candidate(name, address, *words, checksum=found.of(name), vouched=vouched)
