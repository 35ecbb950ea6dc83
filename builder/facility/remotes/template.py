# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of any web server, by URLs with the version in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from builder.checksums import Checksum
from builder.downloads import records
from builder.downloads.client import Client, public
from builder.downloads.documents import Documents
from builder.downloads.pieces import length, modified
from builder.errors import InfrastructureError, UsageError
from builder.facility.kinds import TemplateProduct, TemplateRemote
from builder.facility.remotes import access
from builder.facility.site import Site
from builder.imports import bringing, versions, vouching
from builder.imports.inspecting import format_of
from builder.imports.offers import Brought, Offer, OfferedFile
from builder.imports.vouching import Voucher
from builder.store.keys import Keyring
from builder.store.place import OnBytes

# It becomes a part of a URL.
VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,63}")
# Bytes of the document with the versions.
LARGEST: Final = 16 << 20


@dataclass(frozen=True)
class TemplateServer:
    """A remote of the kind `url`; `url` has no slash at its end."""

    name: str
    url: str
    entry: TemplateRemote
    site: Site
    client: Client
    documents: Documents

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        """The newest version of each image; see `Remote`."""
        images = access.chosen(self.entry.images, name)
        if not images:
            return ()
        version = self._version()
        return access.each(self.name, images, lambda image: (self._offer(image, version),))

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring an image; see `Remote`."""
        image: TemplateProduct = access.product(self.entry.images, offer)
        return bringing.bring(
            self.client, offer, access.described(image), formats, folder, on_bytes
        )

    @cached_property
    def _keyring(self) -> Keyring | None:
        return access.keyring(self.entry.keyring, self.site)

    def _version(self) -> str:
        """The newest version, by its numbers; the configured one where no document has them."""
        if self.entry.versions is None:
            found, where = [self.entry.version], f"the remote {self.name}"
        else:
            where = f"{self.url}/{records.path(self.entry.versions)}"
            text = self.documents.get(where, largest=LARGEST).content.decode(errors="replace")
            pattern = access.pattern(self.entry.version, self.name)
            group = "version" if "version" in pattern.groupindex else 0
            found = [str(match[group]) for match in pattern.finditer(text) if match[group]]
        good = [each for each in found if VERSION.fullmatch(each) and ".." not in each]
        if not good:
            raise InfrastructureError(
                f"{public(where) if '://' in where else where} tells no version",
                hint=f"the expression is {self.entry.version}; a version has letters, digits and"
                " . _ + ~ -",
            )
        return max(good, key=versions.key)

    def _offer(self, image: TemplateProduct, version: str) -> Offer:
        file = _filled(image.file, version, image)
        url = f"{self.url}/{records.path(file)}"
        voucher = self._voucher(image, version)
        size: int | None = None
        date: datetime | None = None
        serial = versions.serial(version)
        if serial is None:
            size, date = self._asked(url)
            serial = versions.serial("", date)
        if serial is None:
            raise InfrastructureError(
                f"neither the version {version} nor {public(url)} tells a day",
                hint="a build is known by its day; the server should send Last-Modified",
            )
        form = image.format or format_of(file)
        if not form:
            raise UsageError(
                f"the remote {self.name}: {file} is of no known format",
                hint=f"say which with format: for {image.name}",
            )
        checksum = self._checksum(voucher, image, version, file)
        return Offer(
            remote=self.name,
            name=image.name,
            serial=serial,
            channel=bringing.CHANNEL,
            images=(
                OfferedFile(
                    name=file.rpartition("/")[2],
                    format=form,
                    url=url,
                    size=size,
                    algorithm=checksum.algorithm if checksum else "",
                    digest=checksum.value if checksum else "",
                ),
            ),
            vouched=voucher.vouched if voucher else vouching.ONLY_TLS,
            date=date or datetime.strptime(serial[:8], "%Y%m%d").replace(tzinfo=UTC),
            version=version,
        )

    def _voucher(self, image: TemplateProduct, version: str) -> Voucher | None:
        def read(file: str, largest: int) -> bytes:
            return self.documents.get(f"{self.url}/{records.path(file)}", largest=largest).content

        filled = [
            _filled(text or "", version, image)
            for text in (self.entry.checksums, self.entry.signature)
        ]
        return vouching.vouch(filled[0], filled[1], self._keyring, read, public(self.url))

    def _checksum(
        self, voucher: Voucher | None, image: TemplateProduct, version: str, file: str
    ) -> Checksum | None:
        if voucher is None:
            return None
        listed = _filled(self.entry.checksums or "", version, image)
        folder, _, title = listed.rpartition("/")
        below = file.removeprefix(f"{folder}/") if folder else file
        base = file.rpartition("/")[2]
        # Of a list for one file, such as IMAGE.sha256, a digest without a name is about that file.
        alone = title.startswith(base)
        name = below if below != file or not folder else base
        return voucher.sums.of(name, alone=alone)

    def _asked(self, url: str) -> tuple[int | None, datetime | None]:
        """The size of a file in bytes and when it changed, as far as its server tells them."""
        with self.client.get(url, method="HEAD") as answer:
            return length(answer), modified(answer)


def _filled(template: str, version: str, image: TemplateProduct) -> str:
    return template.replace("{version}", version).replace("{arch}", image.arch)


def open_remote(name: str, entry: TemplateRemote, site: Site) -> TemplateServer:
    """The remote that an entry of `facility.yaml` names; UsageError for what cannot be meant."""
    access.pattern(entry.version, name)
    url = entry.url.rstrip("/")
    client = access.client(url, entry.token, site)
    return TemplateServer(name, url, entry, site, client, access.documents(client))
