# SPDX-License-Identifier: GPL-2.0-or-later
"""Images among the releases of a repository at GitHub.

https://docs.github.com/en/rest/releases: a list in pages, a release has assets, and those have a
digest since 2025. With a token, assets come through the API, which redirects to another host; the
token does not go there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, NonNegativeInt

from builder import checksums
from builder.downloads import records
from builder.downloads.client import Client
from builder.downloads.documents import Documents
from builder.downloads.records import Moment
from builder.errors import InfrastructureError
from builder.facility.kinds import AssetProduct, GithubRemote
from builder.facility.remotes import access, assets
from builder.facility.remotes.assets import Asset, Choice, Listed
from builder.facility.site import Site
from builder.imports import bringing
from builder.imports.offers import Brought, Offer
from builder.store.keys import Keyring
from builder.store.place import OnBytes

JSON: Final = "application/vnd.github+json"
# The file itself, and not what is known of it.
CONTENT: Final = "application/octet-stream"
UPLOADED: Final = "uploaded"


class _Asset(BaseModel):
    name: str
    url: str
    browser_download_url: str
    size: NonNegativeInt
    state: str = UPLOADED
    digest: str | None = None
    updated_at: Moment | None = None


class _Release(BaseModel):
    tag_name: str
    draft: bool = False
    prerelease: bool = False
    created_at: Moment
    published_at: Moment | None = None
    assets: list[_Asset] = []

    def date(self, choice: Choice) -> datetime:
        """When it, or an image of it, changed: the assets of a rolling release are replaced."""
        times = [
            asset.updated_at
            for asset in self.assets
            if asset.updated_at and asset.state == UPLOADED and choice.has(asset.name)
        ]
        return max([self.published_at or self.created_at, *times])


@dataclass(frozen=True)
class GithubReleases:
    """A remote of the kind `github`."""

    name: str
    entry: GithubRemote
    site: Site
    client: Client
    documents: Documents

    @property
    def url(self) -> str:
        """Where its releases are, as the API has it."""
        return f"{self.entry.api.rstrip('/')}/repos/{self.entry.repository}/releases"

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        """The images of the newest releases; see `Remote`."""
        choice = Choice(self.name, access.chosen(self.entry.images, name))
        return assets.newest(choice, self._releases(choice), self._listed)

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring the images of one release; see `Remote`."""
        image: AssetProduct = access.product(self.entry.images, offer)
        return bringing.bring(
            self.client, offer, access.described(image), formats, folder, on_bytes, CONTENT
        )

    @cached_property
    def _keyring(self) -> Keyring | None:
        return access.keyring(self.entry.keyring, self.site)

    def _date(self, release: _Release) -> datetime:
        """By all images that the configuration knows, so that one release has one serial."""
        return release.date(Choice(self.name, self.entry.images))

    def _releases(self, choice: Choice) -> Iterable[_Release]:
        """Those that have an image, the newest first."""
        found = [
            release
            for page in self.documents.pages(f"{self.url}?per_page=100", accept=JSON)
            for release in records.rows(_Release, page)
            if not release.draft
            and (self.entry.prereleases or not release.prerelease)
            and any(choice.has(asset.name) for asset in release.assets)
        ]
        return sorted(found, key=self._date, reverse=True)

    def _listed(self, release: _Release) -> Listed:
        where = f"the release {release.tag_name} of {self.entry.repository}"
        whole = [asset for asset in release.assets if asset.state == UPLOADED]
        found = {asset.name: asset for asset in whole}

        def read(file: str, largest: int) -> bytes:
            if file not in found:
                raise InfrastructureError(
                    f"{where} has no {file}",
                    hint="its digests are nowhere else; it may be uploaded later than the images",
                )
            url = self._address(found[file])
            return self.documents.get(url, accept=CONTENT, largest=largest).content

        return Listed(
            [(asset.name, partial(self._asset, release, asset, where)) for asset in whole],
            lambda: access.voucher(self.entry, self._keyring, read, where),
        )

    def _asset(self, release: _Release, asset: _Asset, where: str) -> Asset:
        told = f"the digest of {asset.name} in {where}"
        return Asset(
            name=asset.name,
            url=self._address(asset),
            version=release.tag_name,
            date=self._date(release),
            size=asset.size,
            told=checksums.digest(asset.digest, told) if asset.digest else None,
        )

    def _address(self, asset: _Asset) -> str:
        """Where an asset is: with a token through the API, which also has private ones."""
        return asset.url if self.entry.token else asset.browser_download_url


def open_remote(name: str, entry: GithubRemote, site: Site) -> GithubReleases:
    """The remote that an entry of `facility.yaml` names; UsageError for what cannot be meant."""
    for image in entry.images:
        access.pattern(image.asset, name)
    client = access.client(entry.api, entry.token, site)
    return GithubReleases(name, entry, site, client, access.documents(client))
