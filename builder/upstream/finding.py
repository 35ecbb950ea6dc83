# SPDX-License-Identifier: GPL-2.0-or-later
"""The newest version of an image, with its digest and what vouches for that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from builder import web
from builder.downloads.client import Client, public
from builder.errors import InfrastructureError, UsageError
from builder.imports import vouching
from builder.imports.inspecting import format_of
from builder.imports.offers import Offer, OfferedFile
from builder.upstream import candidates, signing
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.indexes.open import reader
from builder.upstream.kinds import GivenIndex
from builder.upstream.series import Series

# The channel of a store that images of upstreams are in.
CHANNEL: Final = "upstream"


@dataclass(frozen=True)
class Found:
    """The newest version of a series, as its makers have it, and as what is offered to a store.

    Where the signature is over the image, nobody knows before the download whether it is good.
    """

    series: Series
    candidate: Candidate
    offer: Offer

    def places(self, asking: Asking) -> tuple[tuple[str, Client], ...]:
        """Where the image is, in the order in which to ask, and who asks there.

        A login goes to one place only: a mirror must not see it.
        """
        url, login = self.candidate.url, self.candidate.login
        addresses = asking.addresses(url, self.series.upstream)
        if login is not None:
            return ((addresses[0], asking.client(addresses[0], login)),)
        return tuple((address, asking.client(address)) for address in addresses)


def newest(series: Series, asking: Asking) -> Found:
    """The newest version of an image, its digest verified.

    InfrastructureError where its servers cannot be asked, have none, or are not to be trusted;
    UsageError for what a site has to supply, and did not.
    """
    index = series.traits.index
    assert index is not None, "the catalogue sees to that"
    if not series.supplied:
        raise UsageError(
            f"nobody has supplied {series.missing}",
            hint=f"the comment in {series.path} says how, and docs/upstreams.md",
        )
    found = candidates.newest(reader(index).candidates(index, series, asking))
    if found is None:
        raise InfrastructureError(
            f"{series.source} has no version of {series.name}",
            hint=f"names may have changed: look at its servers, and at file: in {series.path}",
        )
    if not isinstance(index, GivenIndex):
        _must_be_on_the_web(found, series)
    found = _with_digest(found, series, asking)
    if found.serial is None:
        found = replace(found, modified=asking.modified(found.url, series.upstream, found.login))
    serial = found.serial
    if serial is None:
        raise InfrastructureError(
            f"nobody tells the day of {found.file} ({found.label or 'no version'})",
            hint=f"give it a date group in {series.path}",
        )
    form = format_of(found.file)
    if not form:
        raise InfrastructureError(f"{found.file} is of no known format", hint=str(series.path))
    assert found.checksum is not None
    file = OfferedFile(
        name=found.file,
        format=form,
        url=found.url,
        size=found.size,
        algorithm=found.checksum.algorithm,
        digest=found.checksum.value,
    )
    made = datetime.strptime(serial[:8], "%Y%m%d").replace(tzinfo=UTC)
    offer = Offer(
        remote=series.source,
        name=series.name,
        serial=serial,
        channel=CHANNEL,
        images=(file,),
        vouched=found.vouched,
        date=made,
        version=found.label or serial,
    )
    return Found(series, found, offer)


def _with_digest(found: Candidate, series: Series, asking: Asking) -> Candidate:
    """A version with its digest: the list's, where the YAML file names one, else the index's."""
    url = signing.list_of(found, series)
    if url:
        voucher = signing.listed(url, series, asking, **found.words)
        alone = url.rpartition("/")[2].startswith(found.file)
        digest = voucher.sums.of(found.file, alone=alone)
        if found.checksum is not None and found.checksum.algorithm == digest.algorithm:
            _must_agree(found, digest.value, url)
        return replace(found, checksum=digest, vouched=voucher.vouched)
    if found.checksum is None:
        raise InfrastructureError(
            f"nobody publishes a digest of {public(found.url)}",
            hint=f"an image without one is not taken in; name its list in {series.path}",
        )
    return replace(found, vouched=found.vouched or vouching.by_tls("the index"))


def _must_be_on_the_web(found: Candidate, series: Series) -> None:
    """Raise InfrastructureError for an address that no index may tell, such as a file here."""
    try:
        web.check(found.url, "")
    except UsageError as error:
        raise InfrastructureError(
            f"{series.source} says that {found.file} is at an address that is no https URL",
            hint="is there a proxy that changes answers? Nobody was asked there",
        ) from error


def _must_agree(found: Candidate, digest: str, url: str) -> None:
    if found.checksum is not None and found.checksum.value != digest:
        raise InfrastructureError(
            f"the index and {public(url)} have different digests of {found.file}",
            hint="one of them is older, or wrong; call it again later",
        )
