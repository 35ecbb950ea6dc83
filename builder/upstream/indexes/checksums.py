# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of digests that names all versions, such as AlmaLinux' CHECKSUM."""

from __future__ import annotations

from collections.abc import Iterator

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
    folder = url.rpartition("/")[0]
    voucher = signing.listed(url, series, asking)
    for name in voucher.sums.names:
        words = told(series, name)
        if words is not None and is_finished(name, asking.beta):
            address = f"{folder}/{records.path(name, InfrastructureError)}"
            yield Candidate(
                name, address, *words, checksum=voucher.sums.of(name), vouched=voucher.vouched
            )
