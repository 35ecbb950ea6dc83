# SPDX-License-Identifier: GPL-2.0-or-later
"""The generic packages of a project at a GitLab, such as Arch Linux' images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from builder.checksums import Checksum
from builder.downloads import records
from builder.imports import gitlabapi, versions
from builder.imports.gitlabapi import Package
from builder.imports.vouching import by_tls
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import GitlabIndex
from builder.upstream.series import Series

# How many versions of the package are looked at: of those that are on their way, some files are
# missing.
NEWEST: Final = 10


def candidates(index: GitlabIndex, series: Series, asking: Asking) -> Iterable[Candidate]:
    """The image of the newest version that has one, with the digest that GitLab tells of it."""
    url = gitlabapi.project(index.url, index.project)
    address, documents = asking.api(url, series.upstream)
    packages = gitlabapi.packages(documents, address, index.package)
    for package in sorted(packages, key=_order, reverse=True)[:NEWEST]:
        files = gitlabapi.files(documents, address, package)
        found = list(_images(index, series, package, files.values()))
        if found:
            return found
    return []


def _images(
    index: GitlabIndex,
    series: Series,
    package: Package,
    files: Iterable[gitlabapi.PackageFile],
) -> Iterator[Candidate]:
    folder = gitlabapi.folder(gitlabapi.project(index.url, index.project), package)
    if index.files:
        folder = f"{index.files}{records.part(package.version or '')}"
    where = f"the package {package.name} {package.version} of {index.project}"
    for each in files:
        words = told(series, each.file_name)
        if words is not None:
            yield Candidate(
                each.file_name,
                f"{folder}/{records.part(each.file_name)}",
                *words,
                modified=each.created_at,
                # Some GitLabs say 0 of what is in an object storage.
                size=each.size or None,
                checksum=Checksum("sha256", each.file_sha256) if each.file_sha256 else None,
                vouched=by_tls(where),
            )


def _order(package: Package) -> tuple[object, ...]:
    return versions.key(package.version or ""), package.id
