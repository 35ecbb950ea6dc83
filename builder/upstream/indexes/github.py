# SPDX-License-Identifier: GPL-2.0-or-later
"""The releases of a repository at GitHub."""

from __future__ import annotations

from collections.abc import Iterator

from builder import checksums
from builder.downloads.client import is_at, public
from builder.downloads.session import Login
from builder.errors import InfrastructureError
from builder.facility import secret
from builder.facility.remotes.access import bearer
from builder.imports import githubapi
from builder.imports.githubapi import Asset
from builder.imports.vouching import by_tls
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import GithubIndex
from builder.upstream.series import Series


def candidates(index: GithubIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The versions among the assets of all releases; what an asset's digest is, GitHub says."""
    login = _login(index, series)
    url = githubapi.url(index.api, index.repository)
    address, documents = asking.api(url, series.upstream, login)
    for release in githubapi.releases(documents, address, prereleases=asking.beta):
        where = f"the release {release.tag_name} of {index.repository}"
        for asset in release.whole:
            words = told(series, asset.name)
            if words is None:
                continue
            digest = asset.digest
            yield Candidate(
                asset.name,
                # With a token through the API, which also has private ones.
                _address(asset, index) if login else asset.browser_download_url,
                *words,
                modified=asset.updated_at or release.published_at or release.created_at,
                size=asset.size,
                checksum=checksums.digest(digest, f"{asset.name} in {where}") if digest else None,
                vouched=by_tls(where),
                login=login,
            )


def _address(asset: Asset, index: GithubIndex) -> str:
    """Where an asset is at the API, which knows the login, and nobody else does."""
    if not is_at(asset.url, index.api):
        raise InfrastructureError(
            f"{public(index.api)} says that {asset.name} is at another server, {public(asset.url)}",
            hint="our login is for that API only; is there a proxy that changes answers?",
        )
    return asset.url


def _login(index: GithubIndex, series: Series) -> Login | None:
    token = index.token
    if token is None:
        return None
    return lambda: bearer(secret.read(token, series.path.parent))
