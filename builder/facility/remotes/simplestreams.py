# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of a simplestreams server: Ubuntu's, those for Incus and LXD, and stores of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from builder import paths
from builder.downloads import records
from builder.downloads.client import Client
from builder.downloads.documents import Documents
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility.kinds import SimplestreamsProduct, SimplestreamsRemote
from builder.facility.remotes import access
from builder.facility.site import Site
from builder.imports import bringing, versions, vouching
from builder.imports.inspecting import format_of
from builder.imports.offers import Brought, Offer, OfferedFile
from builder.store.memory import Memory
from builder.store.place import OnBytes
from builder.store.streams import Found, Item, Streams, Version

log = logging.getLogger(__name__)

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
WHAT: Final = "the digests of the index"


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
        products = self._streams.products({image.product for image in images})
        return access.each(
            self.name, images, lambda image: self._offers(image, products.get(image.product))
        )

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring one version; see `Remote`."""
        image = access.product(self.entry.images, offer)
        return bringing.bring(
            self.client, offer, access.described(image), formats, folder, on_bytes
        )

    @cached_property
    def _streams(self) -> Streams:
        keyring = access.keyring(self.entry.keyring, self.site)
        return Streams(self.url, self.documents, keyring, Memory(paths.cache().stores))

    def _offers(self, image: SimplestreamsProduct, found: Found | None) -> list[Offer]:
        """Its versions; what is wrong with the newest one is an error, an older one is left out."""
        if found is None:
            raise InfrastructureError(
                f"{self.url} has no product {image.product}",
                hint="products vanish when their support ends; look into the index for others",
            )
        listed = found.product.versions
        vouched = (
            vouching.by_signature(WHAT, found.signed_by)
            if found.signed_by
            else vouching.by_tls(WHAT)
        )
        offers: dict[str, Offer] = {}
        for version in sorted(listed, key=versions.key, reverse=True):
            serial = versions.serial(version)
            if serial is None:
                log.warning("%s: the version %s tells no day; it is left out", self.name, version)
                continue
            try:
                files = tuple(self._files(image, listed[version], found.url))
            except ForgeError as error:
                if not offers:
                    raise
                log.warning("%s: %s is left out: %s", self.name, version, error.message)
                continue
            if files and serial not in offers:
                offers[serial] = Offer(
                    remote=self.name,
                    name=image.name,
                    serial=serial,
                    channel=bringing.CHANNEL,
                    images=files,
                    vouched=vouched,
                    date=datetime.strptime(serial[:8], "%Y%m%d").replace(tzinfo=UTC),
                    version=version,
                )
        return list(offers.values())

    def _files(
        self, image: SimplestreamsProduct, version: Version, url: str
    ) -> Iterator[OfferedFile]:
        """The images of a version, one of each format; only those that have a digest."""
        order = list(TYPES)
        found: dict[str, tuple[int, Item]] = {}
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
                found[form] = rank, records.model(Item, content, url)
        for form, (_, item) in sorted(found.items()):
            if item.sha256 is not None:
                yield OfferedFile(
                    name=item.path.rpartition("/")[2],
                    format=form,
                    url=self._streams.address(item),
                    size=item.size,
                    algorithm="sha256",
                    digest=item.sha256,
                )


def open_remote(name: str, entry: SimplestreamsRemote, site: Site) -> SimplestreamsServer:
    """The remote that an entry of `facility.yaml` names; UsageError for no proper URL."""
    url = entry.url.rstrip("/")
    client = access.client(url, None, site)
    return SimplestreamsServer(name, url, entry, site, client, access.documents(client))
