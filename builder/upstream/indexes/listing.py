# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder that a web server lists, such as Rocky Linux' or openSUSE Leap's.

Where the images are in a sub-folder for each version, the greatest one that has them counts: a new
one may be there before its images are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel

from builder.downloads import records
from builder.downloads.client import Absent, public
from builder.errors import InfrastructureError, UsageError
from builder.imports import versions
from builder.upstream import folders
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, Told, is_finished, told
from builder.upstream.folders import Child
from builder.upstream.kinds import ListingIndex
from builder.upstream.model import Upstream
from builder.upstream.series import Series

# openSUSE's words for releases: those that everybody may use, and those that nobody should.
STABLE, ENDED = "stable", "eol"


class _Release(BaseModel):
    version: str
    state: str = ""


def candidates(index: ListingIndex, series: Series, asking: Asking) -> Iterable[Candidate]:
    """The versions in the folder, or in the greatest of its sub-folders that has any."""
    top = series.fill(index.url)
    if not index.folder:
        return list(_images(index, top, {}, series, asking))
    missing: Absent | None = None
    chosen = _folders(index, top, series, asking)
    for name, words in chosen:
        below = f"{top}{_quoted(name)}/{series.fill(index.below)}"
        try:
            found = list(_images(index, below, words, series, asking))
        except Absent as error:
            if not index.below:
                raise
            missing = missing or error
            continue
        if found:
            return found
    if missing is not None:
        raise missing
    if not chosen:
        raise InfrastructureError(
            f"{public(top)} has no folder of {series.name}",
            hint=f"names may have changed: look at it, and at folder: in {series.path}",
        )
    return []


def releases(index: ListingIndex, upstream: Upstream, asking: Asking) -> Iterable[str]:
    """The releases that are finished and not at their end, by what `index.releases` says."""
    if index.releases is None:
        raise UsageError(
            "the index does not say where its releases are told",
            hint="give it releases: and product:, or list them in releases:",
        )
    document = asking.document(index.releases, upstream)
    content = document.json()
    if not isinstance(content, dict) or not isinstance(content.get(index.product), list):
        raise InfrastructureError(
            f"{public(index.releases)} has no releases of {index.product or 'no product'}",
            hint="is it the right address?",
        )
    for each in content[index.product]:
        release = records.model(_Release, each, index.releases)
        state = release.state.lower()
        if state == STABLE or (asking.beta and state not in ("", ENDED)):
            yield release.version


def _folders(
    index: ListingIndex, top: str, series: Series, asking: Asking
) -> list[tuple[str, Mapping[str, str]]]:
    """The sub-folders of versions, with what their names tell; the greatest first."""
    pattern = series.pattern(index.folder)
    found: list[tuple[tuple[object, ...], str, Mapping[str, str]]] = []
    for child in _children(index, top, series, asking):
        match = pattern.fullmatch(child.name)
        if match is None or not is_finished(child.name, asking.beta):
            continue
        words = {key: text for key, text in match.groupdict().items() if text}
        order = tuple(versions.key(words.get(group, "")) for group in Told._fields)
        found.append(((order, versions.key(child.name)), child.name, words))
    return [(name, words) for _, name, words in sorted(found, key=lambda each: each[0])[::-1]]


def _images(
    index: ListingIndex, folder: str, words: Mapping[str, str], series: Series, asking: Asking
) -> Iterator[Candidate]:
    for child in _children(index, folder, series, asking):
        known = None if child.folder else told(series, child.name, words)
        if known is not None and is_finished(child.name, asking.beta):
            url = f"{folder}{_quoted(child.name)}"
            yield Candidate(child.name, url, *known, modified=child.modified, size=child.size)


def _children(index: ListingIndex, url: str, series: Series, asking: Asking) -> tuple[Child, ...]:
    return folders.listed(url, series.upstream, asking, table=index.form == "jsontable")


def _quoted(name: str) -> str:
    return records.path(name, InfrastructureError)
