# SPDX-License-Identifier: GPL-2.0-or-later
"""GitHub's releases, as its API has them: https://docs.github.com/en/rest/releases.

A list in pages; a release has assets, and those have a digest if they were uploaded since June
2025.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from pydantic import BaseModel, NonNegativeInt

from builder.downloads import records
from builder.downloads.documents import Documents
from builder.downloads.records import Moment, Rows

JSON: Final = "application/vnd.github+json"
# The file itself, and not what is known of it.
CONTENT: Final = "application/octet-stream"
UPLOADED: Final = "uploaded"


class Asset(BaseModel):
    """One file of a release; `digest` is ALGORITHM:HEXADECIMAL."""

    name: str
    url: str
    browser_download_url: str
    size: NonNegativeInt
    state: str = UPLOADED
    digest: str | None = None
    updated_at: Moment | None = None


class Release(BaseModel):
    """One release, whatever it is worth."""

    tag_name: str
    draft: bool = False
    prerelease: bool = False
    created_at: Moment
    published_at: Moment | None = None
    assets: Rows[Asset] = []

    @property
    def whole(self) -> list[Asset]:
        """The assets that are there, and not on their way."""
        return [asset for asset in self.assets if asset.state == UPLOADED]

    def date(self, has: Callable[[str], bool]) -> datetime:
        """When it, or an asset of it that counts, changed: those of a rolling one are replaced."""
        times = [each.updated_at for each in self.whole if each.updated_at and has(each.name)]
        return max([self.published_at or self.created_at, *times])


def url(api: str, repository: str) -> str:
    """Where the releases of a repository are."""
    return f"{api.rstrip('/')}/repos/{repository}/releases"


def releases(documents: Documents, address: str, *, prereleases: bool) -> Iterator[Release]:
    """The releases at such an address, drafts left out; prereleases only where they are wanted."""
    for page in documents.pages(f"{address}?per_page=100", accept=JSON):
        for release in records.rows(Release, page):
            if not release.draft and (prereleases or not release.prerelease):
                yield release
