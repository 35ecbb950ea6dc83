# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading simplestreams, of whatever server: the products that are asked for, verified and fresh.

An index names documents of products, a product has versions, a version has items: files with their
digests. Where keys are given, index and products count only as far as their signatures go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, NonNegativeInt

from builder.downloads import records
from builder.downloads.client import Absent
from builder.downloads.documents import Document, Documents
from builder.errors import InfrastructureError
from builder.manifest.parts import Sha256
from builder.store.keys import Keyring
from builder.store.memory import Memory

INDEX: Final = "streams/v1/index"
SIGNED: Final = ".sjson"
FORM: Final = re.compile(r"\.s?json$")
DOWNLOADS: Final = ("image-downloads", "")
OUTDATED: Final = "a mirror is behind, or somebody serves an old state"
# Bytes of a signature.
LARGEST_SIGNATURE: Final = 1 << 16


class Item(BaseModel):
    """One file of a version; `path` is below the server's URL."""

    ftype: str
    path: str
    sha256: Sha256 | None = None
    size: NonNegativeInt | None = None


class Version(BaseModel):
    """The items of a version, as they are: those of other kinds may have other fields.

    `label` is what Ubuntu says of it: release, beta, daily.
    """

    label: str | None = None
    items: dict[str, dict[str, Any]] = {}


class Product(BaseModel):
    """A product with its versions, in no order."""

    versions: dict[str, Version] = {}


class _Products(BaseModel):
    updated: str = ""
    products: dict[str, Any]


class _Stream(BaseModel):
    datatype: str = ""
    path: str
    products: tuple[str, ...] = ()


class _Index(BaseModel):
    updated: str = ""
    index: dict[str, _Stream]
    form: Annotated[str, Field(alias="format", pattern="^index:1.0$")]


@dataclass(frozen=True)
class Found:
    """A product, the URL of the document that has it, and who signed that; empty for nobody."""

    product: Product
    url: str
    signed_by: str


@dataclass(frozen=True)
class Streams:
    """The server at `url`, which has no slash at its end; without `keyring`, TLS alone vouches."""

    url: str
    documents: Documents
    keyring: Keyring | None
    memory: Memory

    def products(self, names: Collection[str]) -> Mapping[str, Found]:
        """The products of these names, as far as they are there.

        InfrastructureError for what is unsigned, older than what was seen, or nonsense.
        """
        found: dict[str, Found] = {}
        for path, listed in self._documents():
            if listed and not set(names) & set(listed):
                continue
            url, document, signer = self._text(path)
            products = records.model(_Products, document.json(), url)
            self._must_be_fresh(url, products.updated)
            for name in names:
                if name in products.products:
                    content = products.products[name]
                    product = records.model(Product, content, f"{url}#{name}")
                    found[name] = Found(product, url, signer)
        return found

    def address(self, item: Item) -> str:
        """The URL of an item's file; InfrastructureError for a path that leads elsewhere."""
        return f"{self.url}/{records.path(item.path, InfrastructureError)}"

    def _documents(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The documents that the index names, each with its products, if it says which."""
        url, document, _ = self._index()
        index = records.model(_Index, document.json(), url)
        self._must_be_fresh(url, index.updated)
        for each in index.index.values():
            if each.datatype in DOWNLOADS:
                yield each.path, each.products

    def _index(self) -> tuple[str, Document, str]:
        if self.keyring is None:
            return self._text(f"{INDEX}.json")
        try:
            return self._text(f"{INDEX}{SIGNED}")
        except Absent:
            return self._text(f"{INDEX}.json")

    def _text(self, path: str) -> tuple[str, Document, str]:
        """The URL of a document, the document, and the fingerprint of who signed it."""
        url = f"{self.url}/{records.path(path, InfrastructureError)}"
        document = self.documents.get(url)
        if self.keyring is None:
            return url, document, ""
        if path.endswith(SIGNED):
            content, signer = self.keyring.opened_by(document.content, url)
        else:
            # The older form: a signature beside it.
            signature = self.documents.get(f"{url}.gpg", largest=LARGEST_SIGNATURE)
            content = document.content
            signer = self.keyring.verify(content, signature.content, url)
        return url, Document(url, content), signer

    def _must_be_fresh(self, url: str, updated: str) -> None:
        """Raise InfrastructureError for a document that is older than one that was seen.

        One memory for both forms of a document: else a server that hides the newer form could show
        an old state in the other one, which was signed well in its time.
        """
        known = FORM.sub("", url)
        now, seen = seconds(url, updated), self.memory.seen(known)
        if now < seen:
            before = f"{datetime.fromtimestamp(seen, UTC):%Y-%m-%d %H:%M}"
            raise InfrastructureError(
                f"{url} is of {updated or 'no time that it tells'}, and one of {before} UTC was"
                " seen before",
                hint=f"{OUTDATED}; if the server was made anew, remove {self.memory.path(known)}",
            )
        if now:
            self.memory.remember(known, now)


def seconds(url: str, updated: str) -> int:
    """A time as these documents have it, in epoch seconds; 0 where there is none."""
    if not updated:
        return 0
    try:
        return max(0, int(parsedate_to_datetime(updated).timestamp()))
    except (ValueError, OverflowError, TypeError) as error:
        raise InfrastructureError(
            f"{url} says a time that is none: {updated[:40]!r}", hint="is it the right address?"
        ) from error
