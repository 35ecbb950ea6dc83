# SPDX-License-Identifier: GPL-2.0-or-later
"""simplestreams: the two documents from which Incus, LXD and others learn what a store has.

Both follow from the store's index alone. Only public builds are in them, each under a path whose
content never changes; a hidden or removed build is simply not there any more. What the daemons
read was looked up in their code: shared/simplestreams/products.go of Incus and of LXD, which
leave out without a word what they do not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from email.utils import format_datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from builder.channels import ChannelName
from builder.distros import DISTROS, releases
from builder.manifest.parts import Sha256
from builder.names import serial_key
from builder.store.incus_metadata import ROOTS, Root, terms
from builder.store.index import Build, Digest, Image, SeriesEntry, StoreIndex, folder

FOLDER: Final = "streams/v1"
CONTENT_ID: Final = "images"
DATATYPE: Final = "image-downloads"
# Both daemons read the same metadata, each under a name of its own.
METADATA_TYPES: Final = ("incus.tar.xz", "lxd.tar.xz")
# The aliases of a product are one text that is split at commas; a space would be part of a name.
ALIAS = re.compile(r"[a-z0-9][a-z0-9._/-]*")
RELEASE: Final = "release"
# Where firmware may ask for a signed boot loader; elsewhere the daemons would ask in vain.
SIGNED_ARCHES: Final = ("amd64", "arm64")

# A file of the store: its path, and its content.
Files = tuple[tuple[str, bytes], ...]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)

    def text(self) -> bytes:
        """The document as it is served."""
        return (self.model_dump_json(indent=1, by_alias=True, exclude_none=True) + "\n").encode()


class Item(_Document):
    """One file of a version."""

    ftype: str
    path: str
    sha256: Sha256
    size: int
    combined_disk: Sha256 | None = Field(None, alias="combined_disk-kvm-img_sha256")
    combined_root: Sha256 | None = Field(None, alias="combined_rootxz_sha256")


class Version(_Document):
    """One build."""

    items: dict[str, Item]
    label: str
    pubname: str


class Product(_Document):
    """One image in one channel; `versions` sort as bytes."""

    aliases: str
    arch: str
    os: str
    release: str
    release_codename: str
    release_title: str
    version: str
    variant: str
    supported: bool
    support_eol: date | None = None
    requirements: dict[str, str] | None = None
    lxd_requirements: dict[str, str] | None = None
    versions: dict[str, Version]


class Products(_Document):
    """images.json: all of them."""

    content_id: str = CONTENT_ID
    datatype: str = DATATYPE
    format: str = "products:1.0"
    updated: str
    products: dict[str, Product]


class StreamEntry(_Document):
    """Where a document of products is, and which it has."""

    datatype: str = DATATYPE
    path: str
    format: str = "products:1.0"
    updated: str
    products: tuple[str, ...]


class Stream(_Document):
    """index.json: where a reader begins."""

    format: str = "index:1.0"
    updated: str
    index: dict[str, StreamEntry]


def end_of_life(series: SeriesEntry) -> date | None:
    """The last day on which its distribution supports a series; None where no day is known."""
    distro = DISTROS.get(series.distro)
    release = releases(distro).get(series.release) if distro else None
    return release.end_of_life if release else None


def streams(
    index: StoreIndex,
    clearsign: Callable[[bytes], bytes] | None = None,
    ends: Callable[[SeriesEntry], date | None] = end_of_life,
) -> Files:
    """The documents for an index, in the order in which they are to be written: what points to
    another one comes after it. The same index always gives the same documents.

    With `clearsign`, also the same signed (.sjson), the first pointing to the signed second.
    """
    products = _products(index, ends)
    text = products.text()
    forms = [(".json", _as_it_is)] + ([(".sjson", clearsign)] if clearsign else [])
    return (
        *((_path(CONTENT_ID, suffix), finish(text)) for suffix, finish in forms),
        *((_path("index", suffix), finish(_stream(products, suffix))) for suffix, finish in forms),
    )


def version_key(serial: str) -> str:
    """A serial as a key that sorts as bytes: readers take its first eight characters for a day.

    20261120.10 becomes 20261120.0010, which is after 20261120.0009.
    """
    day, number = serial_key(serial)
    return f"{day}.{number:04}" if number else f"{day}"


def _as_it_is(text: bytes) -> bytes:
    return text


def _path(name: str, suffix: str) -> str:
    return f"{FOLDER}/{name}{suffix}"


def _stream(products: Products, suffix: str) -> bytes:
    entry = StreamEntry(
        path=_path(CONTENT_ID, suffix), updated=products.updated, products=tuple(products.products)
    )
    return Stream(updated=products.updated, index={CONTENT_ID: entry}).text()


def _products(index: StoreIndex, ends: Callable[[SeriesEntry], date | None]) -> Products:
    found: dict[str, Product] = {}
    for series in index.series:
        listed = [build for build in series.builds if _is_listed(build)]
        for channel in sorted({build.channel for build in listed}):
            builds = [build for build in listed if build.channel == channel]
            product = _product(series, channel, builds, ends(series), index.date.date())
            found[_product_name(series, channel)] = product
    return Products(updated=format_datetime(index.date), products=dict(sorted(found.items())))


def _is_listed(build: Build) -> bool:
    return build.state == "public" and build.metadata is not None and any(_roots(build))


def _product(
    series: SeriesEntry,
    channel: ChannelName,
    builds: Iterable[Build],
    end: date | None,
    today: date,
) -> Product:
    words = terms(series)
    versions = {version_key(build.serial): build for build in builds}
    # It is said of all versions at once, so one that is not signed speaks for all.
    unsigned = not all(build.secure_boot for build in versions.values())
    asked = unsigned and series.arch in SIGNED_ARCHES
    requirements = {"secureboot": "false"} if asked else None
    return Product(
        aliases=",".join(_aliases(series, channel)),
        arch=words.arch,
        os=words.os,
        release=words.release,
        release_codename=words.release,
        release_title=words.release_title,
        version=words.version,
        variant=words.variant,
        supported=end is None or today <= end,
        support_eol=end,
        requirements=requirements,
        lxd_requirements=requirements,
        versions={key: _version(series, versions[key]) for key in sorted(versions)},
    )


def _product_name(series: SeriesEntry, channel: ChannelName) -> str:
    """The name that incus-simplestreams would give, and the channel where it is not the usual."""
    words = terms(series)
    name = f"{series.distro}:{series.release}:{words.variant}:{words.arch}"
    return name if channel == RELEASE else f"{name}:{channel}"


def _aliases(series: SeriesEntry, channel: ChannelName) -> Iterator[str]:
    """What people may call a product. Readers choose the architecture, so names without one are
    the same for all; builds of a channel other than `release` are only had by its name.
    """
    words = terms(series)
    names = [series.name.removesuffix(f"-{series.arch}"), series.name]
    for release in (words.release, series.release, words.version):
        if release:
            names.append(f"{series.distro}/{release}/{words.variant}")
            names += [] if series.roles else [f"{series.distro}/{release}"]
    end = "" if channel == RELEASE else f"/{channel}"
    return (f"{name}{end}" for name in dict.fromkeys(names) if ALIAS.fullmatch(name))


def _version(series: SeriesEntry, build: Build) -> Version:
    assert build.metadata is not None
    combined = {root.combined: image.fingerprint for root, image in _roots(build)}
    items = {kind: _item(series, build, kind, build.metadata, combined) for kind in METADATA_TYPES}
    items |= {
        root.file_type: _item(series, build, root.file_type, image, {})
        for root, image in _roots(build)
    }
    name = f"{series.name}-{build.serial}"
    return Version(items=items, label=build.channel, pubname=name)


def _item(
    series: SeriesEntry,
    build: Build,
    kind: str,
    file: Digest,
    combined: dict[str, Sha256 | None],
) -> Item:
    path = f"{folder(series.name, build)}/{file.name}"
    values = {"ftype": kind, "path": path, "sha256": file.sha256, "size": file.size}
    return Item.model_validate(values | combined)


def _roots(build: Build) -> Iterator[tuple[Root, Image]]:
    """The images that an instance can start from."""
    for image in build.images:
        if image.format in ROOTS and image.fingerprint is not None:
            yield ROOTS[image.format], image
