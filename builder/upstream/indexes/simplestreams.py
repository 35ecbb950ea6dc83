# SPDX-License-Identifier: GPL-2.0-or-later
"""A simplestreams server, such as Ubuntu's: one product for each release and architecture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from builder import paths
from builder.checksums import Checksum
from builder.downloads import records
from builder.errors import InfrastructureError
from builder.imports import vouching
from builder.store.keys import Keyring
from builder.store.memory import Memory
from builder.store.streams import Found, Item, Streams
from builder.upstream import signing
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, is_finished
from builder.upstream.kinds import SimplestreamsIndex
from builder.upstream.model import Signature
from builder.upstream.series import Series

# A version is the day, and which one of that day.
VERSION: Final = re.compile(r"(?P<date>[0-9]{8})(?:\.(?P<respin>[0-9]+))?")
WHAT: Final = "the digests of the index"


@dataclass(frozen=True)
class Pinned(Keyring):
    """A keyring of which only those keys count that a YAML file pins."""

    signature: Signature | None = None

    def verify(self, content: bytes, signature: bytes, what: str) -> str:
        """The fingerprint of a pinned key that made a detached signature."""
        return self._pinned(super().verify(content, signature, what), what)

    def opened_by(self, document: bytes, what: str) -> tuple[bytes, str]:
        """What a clearsigned document signs, and the pinned key that signs it."""
        text, signer = super().opened_by(document, what)
        return text, self._pinned(signer, what)

    def _pinned(self, signer: str, what: str) -> str:
        assert self.signature is not None
        return signing.pinned(signer, self.signature, what)


def candidates(index: SimplestreamsIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The versions of the product that have the item, with its digest."""
    name, wanted = series.fill(index.product), series.fill(index.item)
    base = series.fill(index.url).rstrip("/")
    found = _product(name, base, series, asking)
    vouched = (
        vouching.by_signature(WHAT, found.signed_by) if found.signed_by else vouching.by_tls(WHAT)
    )
    for version, entry in found.product.versions.items():
        told = VERSION.fullmatch(version)
        content = entry.items.get(wanted)
        if told is None or content is None or not is_finished(entry.label or "", asking.beta):
            continue
        item = records.model(Item, content, found.url)
        file = item.path.rpartition("/")[2]
        pattern = series.traits.file
        if item.sha256 is None or (pattern and not series.pattern(pattern).fullmatch(file)):
            continue
        yield Candidate(
            file,
            f"{base}/{records.path(item.path, InfrastructureError)}",
            date=told["date"],
            respin=told["respin"] or "",
            size=item.size,
            checksum=Checksum("sha256", item.sha256),
            vouched=vouched,
        )


def _product(name: str, base: str, series: Series, asking: Asking) -> Found:
    """The product, from the first address that has it; InfrastructureError as the first one said"""
    signature = series.traits.signature
    keyring: Pinned | None = None
    if signature is not None and signature.over == "index":
        ring = signing.keyring(signature, series, asking)
        keyring = Pinned(ring.content, ring.source, ring.expired, signature)
    hosts = None if keyring is not None else series.upstream.redirects
    first: InfrastructureError | None = None
    for address in asking.addresses(base, series.upstream):
        documents = asking.documents(address, hosts)
        streams = Streams(address, documents, keyring, Memory(paths.cache().stores))
        try:
            found = streams.products([name]).get(name)
        except InfrastructureError as error:
            first = first or error
            continue
        if found is not None:
            return found
        first = first or InfrastructureError(
            f"{base} has no product {name}",
            hint="products vanish when their support ends; look into the index for others",
        )
    assert first is not None
    raise first
