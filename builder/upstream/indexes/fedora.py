# SPDX-License-Identifier: GPL-2.0-or-later
"""Fedora's releases.json, which lists all images of all releases, and the metadata of composes.

Sizes in it are texts, and of a beta there may be no digest, or none that is one. The documents of
a compose are described at https://productmd.readthedocs.io: composeinfo and images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel

from builder.checksums import Checksum
from builder.downloads import records
from builder.downloads.client import Absent
from builder.downloads.records import Rows
from builder.imports.vouching import by_tls
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import FedoraIndex
from builder.upstream.model import Upstream
from builder.upstream.series import Series

BETA: Final = "beta"
SHA256: Final = re.compile(r"[0-9a-f]{64}")
DISK: Final = (".qcow2", ".raw", ".raw.xz")


class _Row(BaseModel):
    version: str
    arch: str
    link: str
    variant: str = ""
    subvariant: str = ""
    sha256: str | None = None
    size: str | int | None = None

    @property
    def number(self) -> str:
        """The release; empty for what is none, such as Rawhide."""
        number = self.version.partition(" ")[0]
        return number if re.fullmatch(r"[1-9][0-9]{0,3}", number) else ""

    @property
    def is_beta(self) -> bool:
        """Whether it is not finished: `44 Beta`."""
        return self.version.strip() != self.number


class _Compose(BaseModel):
    date: str
    label: str = ""


class _Info(BaseModel):
    compose: _Compose


class _InfoFile(BaseModel):
    payload: _Info


class _Image(BaseModel):
    path: str
    size: int | None = None
    checksums: Mapping[str, str] = {}


class _Images(BaseModel):
    images: Mapping[str, Mapping[str, Rows[_Image]]]


class _ImagesFile(BaseModel):
    payload: _Images


@dataclass(frozen=True)
class _Known:
    """What a compose tells: its label (RC-1.7), its day, and its images by their files' names."""

    label: str = ""
    day: datetime | None = None
    images: Mapping[str, _Image] = field(default_factory=dict)

    def of(self, version: str) -> bool:
        """Whether it is the compose of a version such as 44-1.7."""
        return self.label.rpartition("-")[2] == version.rpartition("-")[2] != ""


def candidates(index: FedoraIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The images of a release on an architecture; betas only where they are asked for."""
    arch = series.words["arch"]
    compose: _Known | None = None
    for row in _rows(index, series.upstream, asking):
        name = row.link.rpartition("/")[2]
        if (row.number, row.arch) != (series.release.release, arch):
            continue
        words = told(series, name)
        if words is None:
            continue
        if compose is None:
            compose = _compose(index, series, asking)
        found = Candidate(
            name,
            row.link,
            *words,
            size=_size(row.size),
            checksum=_digest(row.sha256),
            vouched=by_tls(index.url.rpartition("/")[2]),
        )
        yield _completed(found, compose)


def releases(index: FedoraIndex, upstream: Upstream, asking: Asking) -> Iterator[str]:
    """The releases that have such an image; betas only where they are asked for."""
    for row in _rows(index, upstream, asking):
        if row.link.endswith(DISK):
            yield row.number


def _rows(index: FedoraIndex, upstream: Upstream, asking: Asking) -> Iterator[_Row]:
    for row in records.rows(_Row, asking.document(index.url, upstream)):
        is_one = (row.variant, row.subvariant) == (index.variant, index.subvariant)
        if is_one and row.number and (asking.beta or not row.is_beta):
            yield row


def _completed(found: Candidate, compose: _Known) -> Candidate:
    """A version with what its compose tells, if that is its compose."""
    if not compose.of(found.version):
        return found
    image = compose.images.get(found.file, _Image(path=""))
    return replace(
        found,
        modified=compose.day,
        size=found.size or image.size,
        checksum=found.checksum or _digest(image.checksums.get("sha256")),
    )


def _compose(index: FedoraIndex, series: Series, asking: Asking) -> _Known:
    """What is known of the release's compose; nothing where it is not kept any more."""
    if index.compose is None:
        return _Known()
    folder = series.fill(index.compose)
    try:
        url = f"{folder}composeinfo.json"
        info = records.model(_InfoFile, asking.document(url, series.upstream).json(), url)
        url = f"{folder}images.json"
        listed = records.model(_ImagesFile, asking.document(url, series.upstream).json(), url)
    except Absent:
        return _Known()
    compose = info.payload.compose
    of_arch = listed.payload.images.get(index.variant, {}).get(series.words["arch"], [])
    images = {image.path.rpartition("/")[2]: image for image in of_arch}
    return _Known(compose.label, _day(compose.date), images)


def _day(date: str) -> datetime | None:
    try:
        return datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _digest(text: str | None) -> Checksum | None:
    return Checksum("sha256", text) if text and SHA256.fullmatch(text) else None


def _size(told: str | int | None) -> int | None:
    text = str(told or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
