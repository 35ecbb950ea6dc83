# SPDX-License-Identifier: GPL-2.0-or-later
"""The small tarball that Incus and LXD read beside an image, and what they know the image by.

Its bytes follow from the manifest alone, whenever it is made. So it has no expiry date: the end of
a release's support moves, and is in the streams, which are written anew.
Source: https://linuxcontainers.org/incus/docs/main/reference/image_format/
"""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from builder.distros import DISTROS, releases
from builder.manifest.imported import Document, Imported
from builder.manifest.parts import Sha256
from builder.store.index import SeriesEntry

SUFFIX: Final = ".incus.tar.xz"
MEMBER: Final = "metadata.yaml"
# What both call an image of no role.
DEFAULT_VARIANT: Final = "default"
# The architectures as the kernel names them; others keep Debian's name.
KERNEL_NAMES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le"}
CHUNK = 1 << 20


@dataclass(frozen=True)
class Root:
    """A format that an instance can start from, in the words of simplestreams.

    `combined` is the field of the metadata item that has the fingerprint.
    """

    format: str
    file_type: str
    combined: str


# By format. With these file types the daemons take any qcow2 and any compressed tree.
ROOTS: Mapping[str, Root] = {
    root.format: root
    for root in (
        Root("qcow2", "disk-kvm.img", "combined_disk-kvm-img_sha256"),
        Root("rootfs.tar.xz", "root.tar.xz", "combined_rootxz_sha256"),
    )
}


@dataclass(frozen=True)
class Terms:
    """An image in the words of Incus and LXD: "Debian", "trixie", "13", "13 (trixie)", "cloud"."""

    os: str
    release: str
    version: str
    release_title: str
    variant: str
    arch: str


def terms(image: Document | SeriesEntry) -> Terms:
    """The words for an image; a release that distro-info does not know keeps its own name."""
    distro = DISTROS.get(image.distro)
    known = releases(distro).get(image.release) if distro else None
    number = known.number if known else image.release
    codename = image.codename or image.release
    return Terms(
        os=distro.title if distro else image.distro,
        release=codename,
        version=number,
        release_title=f"{number} ({codename})" if number not in ("", codename) else codename,
        variant="-".join(image.roles) or DEFAULT_VARIANT,
        arch=image.arch,
    )


def tarball(manifest: Document) -> bytes:
    """The metadata tarball of an image, the same bytes for the same manifest."""
    content = yaml.safe_dump(_document(manifest), sort_keys=False, allow_unicode=True).encode()
    member = tarfile.TarInfo(MEMBER)
    member.size = len(content)
    member.mtime = _made(manifest)
    member.mode = 0o644
    member.uname = member.gname = "root"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(content))
    return lzma.compress(buffer.getvalue())


def fingerprint(metadata: bytes, image: Path) -> Sha256:
    """What Incus and LXD know an image by: the sha256 of its metadata, then its own bytes."""
    digest = hashlib.sha256(metadata)
    with image.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def starts_signed(manifest: Document) -> bool:
    """Whether the image has the boot loader that Secure Boot's firmware starts."""
    return any(package.name == "shim-signed" for package in manifest.packages)


def _made(manifest: Document) -> int:
    """When an image was made, in seconds since 1970; of one of others, what is known of that."""
    if isinstance(manifest, Imported):
        return int((manifest.origin.date or manifest.origin.retrieved).timestamp())
    return manifest.build.source_date_epoch


def _document(manifest: Document) -> dict[str, object]:
    words = terms(manifest)
    return {
        "architecture": KERNEL_NAMES.get(words.arch, words.arch),
        "creation_date": _made(manifest),
        "expiry_date": 0,
        "properties": {
            "os": words.os,
            "release": words.release,
            "version": words.version,
            "variant": words.variant,
            "architecture": words.arch,
            "serial": manifest.serial,
            "description": f"{manifest.title} {words.arch} ({manifest.serial})",
        },
        "templates": {},
    }
