# SPDX-License-Identifier: GPL-2.0-or-later
"""Package URLs: the names of packages by which scanners look vulnerabilities up.

`pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13`, and for a source package the same with
`arch=source`, as Debian's debsbom writes them. Source: https://github.com/package-url/purl-spec
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from builder.distros import DISTROS, releases
from builder.manifest.model import Manifest, Package

SOURCE = "source"


class Source(NamedTuple):
    """A source package; `supplier` is the Label of an archive that has it, empty if none."""

    name: str
    version: str
    supplier: str


def binary_purl(manifest: Manifest, package: Package) -> str:
    """The URL of an installed package."""
    return _purl(manifest, package.name, package.version, package.arch)


def source_purl(manifest: Manifest, source: Source) -> str:
    """The URL of a source package."""
    return _purl(manifest, source.name, source.version, SOURCE)


def source_of(package: Package) -> Source:
    """What a package was built from."""
    return Source(package.source, package.source_version, supplier(package))


def sources(manifest: Manifest) -> tuple[Source, ...]:
    """What the packages were built from, each once, by name."""
    found = {(each.name, each.version): each for each in map(source_of, manifest.packages)}
    return tuple(found[key] for key in sorted(found))


def supplier(package: Package) -> str:
    """The Label of the archive that has a package, empty where no archive has it."""
    return next(iter(_labels(package)), "")


def _labels(package: Package) -> Iterator[str]:
    return (origin.partition(":")[0] for origin in package.origins)


def _purl(manifest: Manifest, name: str, version: str, arch: str) -> str:
    distro = DISTROS.get(manifest.distro)
    known = releases(distro).get(manifest.release) if distro else None
    number = (known.number if known else "") or manifest.release
    path = f"{quote(manifest.distro)}/{quote(name, safe='')}@{quote(version, safe=':')}"
    return f"pkg:deb/{path}?arch={arch}&distro={quote(f'{manifest.distro}-{number}')}"
