# SPDX-License-Identifier: GPL-2.0-or-later
"""Bringing images of others here: under our names, looked at, and with a manifest of ours."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from builder.builds import MANIFEST
from builder.checksums import Checksum
from builder.disk import formats as table
from builder.downloads import files
from builder.downloads.client import Client, public
from builder.downloads.local import is_local
from builder.downloads.pieces import WrongContent
from builder.downloads.wanted import LARGEST, Fetched, OtherFile, Wanted
from builder.errors import InfrastructureError, UsageError
from builder.imports import inspecting
from builder.imports.inspecting import Inspected
from builder.imports.naming import UNKNOWN, Facts, facts
from builder.imports.offers import Brought, Offer, OfferedFile
from builder.imports.vouching import signer_of
from builder.manifest import document
from builder.manifest.imported import Imported, Origin
from builder.manifest.model import File, Package
from builder.models import ARCHES
from builder.store.place import OnBytes

# Who names an image of a remote wants it: there is no other channel to choose from.
CHANNEL: Final = "release"
GIB: Final = 1 << 30
# What others call distributions in os_distro, where it is not our word (libosinfo's names).
OS_DISTRO: Final = {"alma": "almalinux", "centos": "centos", "windows": "windows"}


@dataclass(frozen=True)
class Description:
    """What is known of an image beside its files; all of it may be empty.

    `properties` are for OpenStack's image service, and come before what is found out here.
    `packages` are as its makers list them. `min_disk` is in GiB; the disk's own size counts if that
    is more.
    """

    title: str = ""
    default_user: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    min_disk: int = 0


# Told where a whole image is, before it has its name; the line that says who vouches for it.
Vouch = Callable[[Path], str]


@dataclass(frozen=True)
class _Image:
    """One file that is here, and what it is."""

    offered: OfferedFile
    path: Path
    fetched: Fetched
    inspected: Inspected
    vouched: str = ""


def bring(
    client: Client,
    offer: Offer,
    description: Description,
    formats: Sequence[str],
    folder: Path,
    on_bytes: OnBytes,
    accept: str = "",
    *,
    vouch: Vouch | None = None,
    largest: int = LARGEST,
) -> Brought:
    """Bring an offer's images into a folder, with a manifest; see `builder.imports.offers.Remote`.

    `vouch` is asked about each image that is whole, and raises where it is not to be trusted; what
    it says goes into the manifest. `largest` is how many bytes an image may have whose size nobody
    tells. UsageError where the offer has none of the formats.
    """
    wanted = offer.of(formats)
    if not wanted:
        has = ", ".join(image.format for image in offer.images) or "nothing"
        raise UsageError(
            f"{offer.remote} has {offer} not as {', '.join(formats)}", hint=f"it has: {has}"
        )
    with _alone(folder):
        images = []
        for each in wanted:
            image = _bring(client, offer, each, folder, on_bytes, accept, vouch, largest)
            offer = replace(offer, vouched=image.vouched or offer.vouched)
            images.append(image)
        _write(folder / f"{offer}.{MANIFEST}", _manifest(offer, description, images))
        # What was broken off of formats that nobody asked for any more.
        for path in folder.glob(".*"):
            path.unlink(missing_ok=True)
    return Brought(folder, sum(image.fetched.transferred for image in images), "whole")


def _bring(
    client: Client,
    offer: Offer,
    image: OfferedFile,
    folder: Path,
    on_bytes: OnBytes,
    accept: str,
    vouch: Vouch | None,
    largest: int,
) -> _Image:
    final = folder / f"{offer}{table.find(image.format).suffix}"
    checksum = Checksum(image.algorithm, image.digest) if image.digest else None
    wanted = Wanted(image.size, checksum, largest, inspecting.looks(image.format))
    while True:
        # Hidden until it was looked at, too.
        hidden = final if final.exists() else final.with_name(f".{final.name}")
        try:
            fetched = files.fetch(client, image.url, wanted, hidden, on_bytes, accept)
            break
        except OtherFile:
            # An earlier call left it, and its publisher has replaced it since. Nobody else puts
            # anything into this folder; if it stayed, it would block the series for ever.
            hidden.unlink()
    try:
        vouched = vouch(hidden) if vouch else ""
        inspected = inspecting.inspect(hidden, image.format)
    except WrongContent:
        hidden.unlink()
        raise
    hidden.replace(final)
    return _Image(image, final, fetched, inspected, vouched)


def _manifest(offer: Offer, description: Description, images: Sequence[_Image]) -> Imported:
    known, first = facts(offer.name), images[0]
    checksum = f"{first.offered.algorithm}:{first.offered.digest}" if first.offered.digest else ""
    sizes = [each.inspected.virtual_size for each in images if each.inspected.virtual_size]
    return Imported(
        name=offer.name,
        serial=offer.serial,
        title=description.title or known.title,
        distro=known.distro,
        release=known.release,
        codename=known.codename,
        arch=known.arch,
        roles=known.roles,
        origin=Origin(
            url=first.offered.name if is_local(first.offered.url) else public(first.offered.url),
            retrieved=datetime.now(UTC).replace(microsecond=0),
            version=offer.version,
            date=offer.date,
            checksum=checksum,
            signed_by=signer_of(offer.vouched),
            vouched=offer.vouched,
        ),
        properties=_properties(offer, description, known, max(sizes, default=None)),
        packages=description.packages,
        virtual_size=max(sizes, default=None),
        files=tuple(
            File(
                name=each.path.name,
                format=each.offered.format,
                size=each.fetched.size,
                sha256=each.fetched.sha256,
                sha512=each.fetched.sha512,
                reproducible=False,
            )
            for each in images
        ),
        checks=tuple(
            {
                verdict.name: verdict for each in images for verdict in each.inspected.verdicts
            }.values()
        ),
    )


def _properties(
    offer: Offer, description: Description, known: Facts, size: int | None
) -> dict[str, str]:
    """What OpenStack is told, by the names of SCS-0102 and of Glance's own documentation."""
    arch = ARCHES.get(known.arch)
    found = {
        "os_distro": OS_DISTRO.get(known.distro, known.distro),
        "os_version": known.release,
        "architecture": arch.aliases[0] if arch and arch.aliases else known.arch,
        "image_original_user": description.default_user,
        "image_build_date": f"{offer.date:%Y-%m-%d}" if offer.date else "",
        "min_disk": str(max(-(-size // GIB) if size else 0, description.min_disk) or ""),
    }
    found.update(description.properties)
    return {name: value for name, value in found.items() if value and value != UNKNOWN}


def _write(path: Path, manifest: Imported) -> None:
    """Write a manifest, unless the one that is there says the same of an earlier call."""
    if path.exists():
        with contextlib.suppress(UsageError):
            there = document.load_any(path)
            if isinstance(there, Imported) and _timeless(there) == _timeless(manifest):
                return
    partial = path.with_name(f".{path.name}")
    try:
        partial.write_text(document.dump(manifest), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be written: {error.strerror}", hint="is there room, and is it yours?"
        ) from error


def _timeless(manifest: Imported) -> Imported:
    origin = manifest.origin.model_copy(update={"retrieved": datetime.fromtimestamp(0, UTC)})
    return manifest.model_copy(update={"origin": origin})


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others out of a folder; the lock is on the folder itself, and leaves nothing in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InfrastructureError(
            f"{folder}: {error.strerror}", hint="images are brought there; make it writable"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InfrastructureError(
                f"another process brings an image into {folder}", hint="wait until it is done"
            ) from error
        yield
    finally:
        os.close(descriptor)
