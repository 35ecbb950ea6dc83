# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a release, a package or a job as offers: which are images, and of which version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Final, TypeVar

from builder.checksums import Checksum
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility.kinds import AssetProduct
from builder.facility.remotes import access
from builder.imports import bringing, versions, vouching
from builder.imports.inspecting import format_of
from builder.imports.offers import Offer, OfferedFile
from builder.imports.vouching import Voucher

log = logging.getLogger(__name__)
T = TypeVar("T")

# How many releases are looked at, of those that have an image at all.
NEWEST: Final = 10


@dataclass(frozen=True)
class Asset:
    """One file of a release; `size` is in bytes, None where it is not told.

    `told` is the digest that the server's API has, `version` what the release is called, and
    `dated` whether that may tell a day: a job's number may look like one.
    """

    name: str
    url: str
    version: str
    date: datetime
    size: int | None = None
    told: Checksum | None = None
    dated: bool = True


@dataclass(frozen=True)
class Listed:
    """The files of one release, each with its name.

    They, and the list of their digests, are looked at for the images that want them, so that what
    is wrong with one of them is wrong with that one only.
    """

    files: Sequence[tuple[str, Callable[[], Asset]]]
    read: Callable[[], Voucher | None]

    @cached_property
    def voucher(self) -> Voucher | None:
        """The list of digests; None where the configuration names none."""
        return self.read()


@dataclass(frozen=True)
class Choice:
    """Which files of a remote are images, by the configuration of the remote `name`."""

    name: str
    images: Sequence[AssetProduct]

    def has(self, file: str) -> bool:
        """Whether a file is an image that is asked for."""
        return any(_match(self.name, image, file) is not None for image in self.images)

    def offers(self, image: AssetProduct, listed: Listed) -> Iterator[Offer]:
        """The offers that the files of one release make for one image.

        InfrastructureError where a file is not in the list of digests that it must be in.
        """
        found: dict[tuple[str, str], list[tuple[Asset, OfferedFile]]] = {}
        for name, asked in listed.files:
            version = _match(self.name, image, name)
            if version is None:
                continue
            asset = asked()
            serial = versions.serial(version or asset.version * asset.dated, asset.date)
            version = version or asset.version
            if serial is not None:
                file = _file(self.name, image, asset, listed.voucher)
                found.setdefault((serial, version), []).append((asset, file))
        for (serial, version), pairs in found.items():
            yield self._offer(image, serial, version, pairs, listed.voucher)

    def _offer(
        self,
        image: AssetProduct,
        serial: str,
        version: str,
        pairs: list[tuple[Asset, OfferedFile]],
        voucher: Voucher | None,
    ) -> Offer:
        files = tuple(file for _, file in pairs)
        formats = [file.format for file in files]
        if len(set(formats)) != len(formats):
            raise UsageError(
                f"the remote {self.name}: {image.asset} fits several files of one format:"
                f" {', '.join(file.name for file in files)}",
                hint="make the expression narrower; a dot is written as \\.",
            )
        return Offer(
            remote=self.name,
            name=image.name,
            serial=serial,
            channel=bringing.CHANNEL,
            images=files,
            vouched=_vouched(voucher, [asset for asset, _ in pairs]),
            date=max(asset.date for asset, _ in pairs),
            version=version,
        )


def newest(choice: Choice, releases: Iterable[T], look: Callable[[T], Listed]) -> list[Offer]:
    """The offers of the newest releases, by series and serial; `releases` begin with the newest.

    What is wrong with the newest one that has an image is an error of that image: whoever left it
    out would stay at an old image and not know why. An older one that is not as it must be is left
    out.
    """
    known = list(releases)

    @cache
    def listed(number: int) -> Listed:
        return look(known[number])

    def offers(image: AssetProduct) -> list[Offer]:
        found: list[Offer] = []
        looked = 0
        for number in range(len(known)):
            try:
                found += list(choice.offers(image, listed(number)))
            except ForgeError as error:
                if not found:
                    raise
                log.warning("%s: an older release is left out: %s", choice.name, error.message)
                continue
            looked += any(choice.has(name) for name, _ in listed(number).files)
            if looked == NEWEST:
                break
        return found

    return access.each(choice.name, choice.images, offers)


def _match(remote: str, image: AssetProduct, file: str) -> str | None:
    """The version that a file's name tells, perhaps empty; None for a file that is not meant."""
    found = access.pattern(image.asset, remote).fullmatch(file)
    if found is None:
        return None
    return found.groupdict().get("version") or ""


def _file(remote: str, image: AssetProduct, asset: Asset, voucher: Voucher | None) -> OfferedFile:
    form = image.format or format_of(asset.name)
    if not form:
        raise UsageError(
            f"the remote {remote}: {asset.name} is of no known format",
            hint=f"say which with format: for {image.name}, or make the expression narrower",
        )
    checksum = asset.told
    if voucher is not None:
        checksum = voucher.sums.of(asset.name)
        told = asset.told
        if told and told.algorithm == checksum.algorithm and told != checksum:
            raise InfrastructureError(
                f"{voucher.sums.where} has another digest for {asset.name} than the server itself",
                hint="the file was replaced after it was listed; ask who publishes it",
            )
    return OfferedFile(
        name=asset.name,
        format=form,
        url=asset.url,
        size=asset.size,
        algorithm=checksum.algorithm if checksum else "",
        digest=checksum.value if checksum else "",
    )


def _vouched(voucher: Voucher | None, assets: Sequence[Asset]) -> str:
    if voucher is not None:
        return voucher.vouched
    told = all(asset.told for asset in assets)
    return vouching.by_tls("the digest of its API") if told else vouching.ONLY_TLS
