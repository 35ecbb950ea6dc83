# SPDX-License-Identifier: GPL-2.0-or-later
"""Alpine's releases: a folder for each branch, with a folder of cloud images in it.

A latest-releases.yaml tells the newest branch. It is about installation media, which come some days
before the cloud images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from builder.downloads import records
from builder.downloads.client import Absent, public
from builder.downloads.records import Rows
from builder.errors import InfrastructureError
from builder.imports import versions
from builder.upstream import folders
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import AlpineIndex
from builder.upstream.model import Upstream
from builder.upstream.series import Series

BRANCH: Final = re.compile(r"v([0-9]+\.[0-9]+)")
IMAGE: Final = ".qcow2"
# Bytes.
LARGEST: Final = 1 << 20
# How many branches are looked at: the newest may have no images yet.
NEWEST: Final = 4


class _Texts(yaml.BaseLoader):
    """Reads texts, lists and maps, and nothing else: 3.10 is no number."""


class _Medium(BaseModel):
    branch: str


def candidates(index: AlpineIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The images of a branch; their digests are in files of their own."""
    folder = _folder(index, series.release.release)
    for child in folders.listed(folder, series.upstream, asking):
        words = None if child.folder else told(series, child.name)
        if words is not None:
            url = f"{folder}{records.path(child.name, InfrastructureError)}"
            # A list's times lack the seconds, and its sizes are rounded.
            yield Candidate(child.name, url, *words, modified=child.modified)


def releases(index: AlpineIndex, upstream: Upstream, asking: Asking) -> Iterator[str]:
    """The newest branches that have images, as many as are wanted."""
    wanted = upstream.newest.count if upstream.newest else 1
    found = (
        branch
        for branch in islice(_branches(index, upstream, asking), wanted + NEWEST)
        if _has_images(index, branch, upstream, asking)
    )
    return islice(found, wanted)


def _branches(index: AlpineIndex, upstream: Upstream, asking: Asking) -> Iterator[str]:
    """All branches, the newest first; the folder is listed only where one does not do."""
    newest = _told(index.newest, upstream, asking) if index.newest else None
    if newest is not None:
        yield newest
    listed = folders.listed(index.url, upstream, asking)
    found = [match[1] for child in listed if (match := BRANCH.fullmatch(child.name))]
    yield from (
        branch for branch in sorted(found, key=versions.key, reverse=True) if branch != newest
    )


def _told(url: str, upstream: Upstream, asking: Asking) -> str | None:
    """The branch of a latest-releases.yaml; None where that is not a released one."""
    content = asking.document(url, upstream, largest=LARGEST).content
    try:
        media = TypeAdapter(Rows[_Medium]).validate_python(yaml.load(content, Loader=_Texts))  # noqa: S506
    except ValidationError as error:
        raise records.nonsense(url, error) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InfrastructureError(
            f"{public(url)} is no YAML document",
            hint="look at it: a server may send a web page in its place",
        ) from error
    found = [match[1] for each in media if (match := BRANCH.fullmatch(each.branch))]
    return max(found, key=versions.key, default=None)


def _has_images(index: AlpineIndex, branch: str, upstream: Upstream, asking: Asking) -> bool:
    try:
        listed = folders.listed(_folder(index, branch), upstream, asking)
    except Absent:
        return False
    return any(child.name.endswith(IMAGE) for child in listed)


def _folder(index: AlpineIndex, branch: str) -> str:
    return f"{index.url}v{branch}/{index.below}"
