# SPDX-License-Identifier: GPL-2.0-or-later
"""Images among the releases of a repository at GitHub.

With a token, assets come through the API, which redirects to another host; the token does not go
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from builder import checksums
from builder.downloads.client import Client
from builder.downloads.documents import Documents
from builder.errors import InfrastructureError
from builder.facility.kinds import AssetProduct, GithubRemote
from builder.facility.remotes import access, assets
from builder.facility.remotes.assets import Asset, Choice, Listed
from builder.facility.site import Site
from builder.imports import bringing, githubapi
from builder.imports.githubapi import CONTENT, Release
from builder.imports.offers import Brought, Offer
from builder.store.keys import Keyring
from builder.store.place import OnBytes


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
        return githubapi.url(self.entry.api, self.entry.repository)

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

    def _date(self, release: Release) -> datetime:
        """By all images that the configuration knows, so that one release has one serial."""
        return release.date(Choice(self.name, self.entry.images).has)

    def _releases(self, choice: Choice) -> Iterable[Release]:
        """Those that have an image, the newest first."""
        all_ = githubapi.releases(self.documents, self.url, prereleases=self.entry.prereleases)
        found = [each for each in all_ if any(choice.has(asset.name) for asset in each.assets)]
        return sorted(found, key=self._date, reverse=True)

    def _listed(self, release: Release) -> Listed:
        where = f"the release {release.tag_name} of {self.entry.repository}"
        found = {asset.name: asset for asset in release.whole}

        def read(file: str, largest: int) -> bytes:
            if file not in found:
                raise InfrastructureError(
                    f"{where} has no {file}",
                    hint="its digests are nowhere else; it may be uploaded later than the images",
                )
            url = self._address(found[file])
            return self.documents.get(url, accept=CONTENT, largest=largest).content

        return Listed(
            [(asset.name, partial(self._asset, release, asset, where)) for asset in release.whole],
            lambda: access.voucher(self.entry, self._keyring, read, where),
        )

    def _asset(self, release: Release, asset: githubapi.Asset, where: str) -> Asset:
        told = f"the digest of {asset.name} in {where}"
        return Asset(
            name=asset.name,
            url=self._address(asset),
            version=release.tag_name,
            date=self._date(release),
            size=asset.size,
            told=checksums.digest(asset.digest, told) if asset.digest else None,
        )

    def _address(self, asset: githubapi.Asset) -> str:
        """Where an asset is: with a token through the API, which also has private ones."""
        return asset.url if self.entry.token else asset.browser_download_url


def open_remote(name: str, entry: GithubRemote, site: Site) -> GithubReleases:
    """The remote that an entry of `facility.yaml` names; UsageError for what cannot be meant."""
    for image in entry.images:
        access.pattern(image.asset, name)
    client = access.client(entry.api, entry.token, site)
    return GithubReleases(name, entry, site, client, access.documents(client))
