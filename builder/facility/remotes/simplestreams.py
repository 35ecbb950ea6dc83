# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of a simplestreams server: Ubuntu's, those for Incus and LXD, and stores of ours.

An index names documents of products, a product has versions, a version has items: files with their
digests. Where a keyring is given, index and products count only as far as their signatures go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, NonNegativeInt

from builder import names, paths
from builder.downloads.client import Absent, Client
from builder.downloads.documents import Document, Documents
from builder.errors import InfrastructureError, UsageError
from builder.facility.kinds import SimplestreamsProduct, SimplestreamsRemote
from builder.facility.offers import Brought, Offer, OfferedFile
from builder.facility.remotes import access, importing, versions, vouching
from builder.facility.remotes.inspecting import format_of
from builder.facility.site import Site
from builder.manifest.parts import Sha256
from builder.store.keys import Keyring
from builder.store.memory import Memory
from builder.store.place import OnBytes

log = logging.getLogger(__name__)

INDEX: Final = "streams/v1/index"
SIGNED: Final = ".sjson"
DOWNLOADS: Final = ("image-downloads", "")
# The formats by the type of an item, the best one of a format first: where disk1.img is beside
# disk-kvm.img, the latter has a kernel for virtual machines only.
TYPES: Final[Mapping[str, str]] = {
    "disk1.img": "qcow2",
    "uefi1.img": "qcow2",
    "disk-kvm.img": "qcow2",
    "disk.qcow2": "qcow2",
    "root.tar.xz": "rootfs.tar.xz",
    "vmdk": "vmdk",
    "vhdx": "vhdx",
    "raw": "raw",
    "raw.xz": "raw.xz",
}
OUTDATED: Final = "a mirror is behind, or somebody serves an old state"


class _Item(BaseModel):
    ftype: str
    path: str
    sha256: Sha256 | None = None
    size: NonNegativeInt | None = None


class _Version(BaseModel):
    # Items of other kinds, such as lists of packages, may have other fields.
    items: dict[str, dict[str, Any]] = {}


class _Product(BaseModel):
    versions: dict[str, _Version] = {}


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
class _Text:
    """A document, and what vouches for it."""

    url: str
    document: Document
    vouched: str


@dataclass(frozen=True)
class SimplestreamsServer:
    """A remote of the kind `simplestreams`; `url` has no slash at its end."""

    name: str
    url: str
    entry: SimplestreamsRemote
    site: Site
    client: Client
    documents: Documents

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        """All versions of the products that the configuration names; see `Remote`."""
        images = access.chosen(self.entry.images, name)
        if not images:
            return ()
        index, streams = self._index()
        found: list[Offer] = []
        missing = {image.product for image in images}
        for path, names_in_it in streams:
            asked = [each for each in images if not names_in_it or each.product in names_in_it]
            if not asked:
                continue
            text, products = self._products(path)
            for image in asked:
                if image.product in products:
                    missing.discard(image.product)
                    found += self._offers(image, products[image.product], text)
        if missing:
            sentence = f"{index.url} has no product {', '.join(sorted(missing))}"
            if not found:
                raise InfrastructureError(
                    sentence,
                    hint="products vanish when their support ends; look into the index for others",
                )
            log.warning("%s: %s", self.name, sentence)
        return sorted(found, key=lambda offer: (offer.name, names.serial_key(offer.serial)))

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring one version; see `Remote`."""
        image = access.product(self.entry.images, offer)
        return importing.bring(self.client, offer, image, formats, folder, on_bytes)

    @cached_property
    def _keyring(self) -> Keyring | None:
        return access.keyring(self.entry.keyring, self.site)

    def _index(self) -> tuple[_Text, Iterator[tuple[str, tuple[str, ...]]]]:
        """The index, and the documents that it names with their products, if it says which."""
        text = self._index_text()
        index = access.model(_Index, text.document.json(), text.url)
        self._must_be_fresh(text.url, index.updated)
        streams = (each for each in index.index.values() if each.datatype in DOWNLOADS)
        return text, ((each.path, each.products) for each in streams)

    def _index_text(self) -> _Text:
        if self._keyring is None:
            return self._text(f"{INDEX}.json")
        try:
            return self._text(f"{INDEX}{SIGNED}")
        except Absent:
            return self._text(f"{INDEX}.json")

    def _products(self, path: str) -> tuple[_Text, Mapping[str, Any]]:
        text = self._text(path)
        products = access.model(_Products, text.document.json(), text.url)
        self._must_be_fresh(text.url, products.updated)
        return text, products.products

    def _text(self, path: str) -> _Text:
        """A document below the URL, verified where a keyring is given."""
        url = f"{self.url}/{access.path(path, InfrastructureError)}"
        document, ring = self.documents.get(url), self._keyring
        if ring is None:
            return _Text(url, document, vouching.by_tls("the digests of the index"))
        if path.endswith(SIGNED):
            content, fingerprint = ring.opened_by(document.content, url)
        else:
            # The older form: a signature beside it.
            signature = self.documents.get(f"{url}.gpg", largest=vouching.LARGEST_SIGNATURE)
            content = document.content
            fingerprint = ring.verify(content, signature.content, url)
        line = vouching.by_signature("the digests of the index", fingerprint)
        return _Text(url, Document(url, content), line)

    def _must_be_fresh(self, url: str, updated: str) -> None:
        """Raise InfrastructureError for a document that is older than one that was seen."""
        memory, now = Memory(paths.cache().stores), _seconds(url, updated)
        seen = memory.seen(url)
        if now < seen:
            before = f"{datetime.fromtimestamp(seen, UTC):%Y-%m-%d %H:%M}"
            raise InfrastructureError(
                f"{url} is of {updated or 'no time that it tells'}, and one of {before} UTC was"
                " seen before",
                hint=f"{OUTDATED}; if the server was made anew, remove {memory.path(url)}",
            )
        if now:
            memory.remember(url, now)

    def _offers(self, image: SimplestreamsProduct, content: Any, text: _Text) -> list[Offer]:
        product = access.model(_Product, content, f"{text.url}#{image.product}")
        found: dict[str, Offer] = {}
        for version in sorted(product.versions, key=versions.key):
            serial = versions.serial(version)
            files = tuple(self._files(image, product.versions[version], text.url))
            if serial is None:
                log.warning("%s: the version %s tells no day; it is left out", self.name, version)
            elif files:
                found[serial] = Offer(
                    remote=self.name,
                    name=image.name,
                    serial=serial,
                    channel=importing.CHANNEL,
                    images=files,
                    vouched=text.vouched,
                    date=datetime.strptime(serial[:8], "%Y%m%d").replace(tzinfo=UTC),
                    version=version,
                )
        return list(found.values())

    def _files(
        self, image: SimplestreamsProduct, version: _Version, url: str
    ) -> Iterator[OfferedFile]:
        """The images of a version, one of each format; only those that have a digest."""
        order = list(TYPES)
        found: dict[str, tuple[int, _Item]] = {}
        for key, content in version.items.items():
            kind = str(content.get("ftype", ""))
            if image.item and image.item not in (key, kind):
                continue
            form = TYPES.get(kind, "")
            if image.item:
                form = image.format or form or format_of(str(content.get("path", "")))
                if not form:
                    raise UsageError(
                        f"the item {image.item} of {image.product} is of no known format",
                        hint=f"say which with format: for {image.name}",
                    )
            if not form:
                continue
            rank = order.index(kind) if kind in order else len(order)
            if form not in found or rank < found[form][0]:
                found[form] = rank, access.model(_Item, content, url)
        for form, (_, item) in sorted(found.items()):
            if item.sha256 is not None:
                yield OfferedFile(
                    name=item.path.rpartition("/")[2],
                    format=form,
                    url=f"{self.url}/{access.path(item.path, InfrastructureError)}",
                    size=item.size,
                    algorithm="sha256",
                    digest=item.sha256,
                )


def _seconds(url: str, updated: str) -> int:
    """A time as these documents have it, in epoch seconds; 0 where there is none."""
    if not updated:
        return 0
    try:
        return max(0, int(parsedate_to_datetime(updated).timestamp()))
    except (ValueError, OverflowError, TypeError) as error:
        raise InfrastructureError(
            f"{url} says a time that is none: {updated[:40]!r}", hint="is it the right address?"
        ) from error


def open_remote(name: str, entry: SimplestreamsRemote, site: Site) -> SimplestreamsServer:
    """The remote that an entry of `facility.yaml` names; UsageError for no proper URL."""
    url = entry.url.rstrip("/")
    client = access.client(url, None, site)
    return SimplestreamsServer(name, url, entry, site, client, access.documents(client))
