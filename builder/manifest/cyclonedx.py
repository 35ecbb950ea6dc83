# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest as a CycloneDX 1.6 document: every package, its source, and the files of the image.

A source package is a component whose package URL says `arch=source`, and what was built from it
depends on it, as Debian's debsbom has it. Source: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from builder.manifest import purl
from builder.manifest.model import File, Manifest
from builder.manifest.spdx import identity

SUFFIX: Final = ".cdx.json"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Hash(_Part):
    """A digest of a file."""

    alg: Literal["SHA-256", "SHA-512"]
    content: str


class Supplier(_Part):
    """Who provides a component: the archive that has it."""

    name: str


class Component(_Part):
    """Anything that is installed, was built from, or was built."""

    type: Literal["application", "file", "library", "operating-system"]
    bom_ref: str | None = Field(default=None, serialization_alias="bom-ref")
    supplier: Supplier | None = None
    name: str
    version: str
    description: str | None = None
    hashes: tuple[Hash, ...] | None = None
    purl: str | None = None
    components: tuple[Component, ...] | None = None


class Tools(_Part):
    """What made the document."""

    components: tuple[Component, ...]


class Lifecycle(_Part):
    """When in the life of the image it was made."""

    phase: str = "post-build"


class Metadata(_Part):
    """What the document is about."""

    timestamp: str
    lifecycles: tuple[Lifecycle, ...] = (Lifecycle(),)
    tools: Tools
    component: Component


class Dependency(_Part):
    """What a component needs or was built from."""

    ref: str
    depends_on: tuple[str, ...] | None = None


class Bom(_Part):
    """The whole document."""

    bom_format: str = "CycloneDX"
    spec_version: str = "1.6"
    serial_number: str
    version: int = 1
    metadata: Metadata
    components: tuple[Component, ...]
    dependencies: tuple[Dependency, ...]


def render(manifest: Manifest) -> bytes:
    """The document as a file; the same manifest always gives the same bytes."""
    tool = Component(type="application", name="fai-forge", version=manifest.build.tool_version)
    document = Bom(
        serial_number=f"urn:uuid:{identity(manifest, 'cyclonedx')}",
        metadata=Metadata(
            timestamp=f"{manifest.build.date:%Y-%m-%dT%H:%M:%SZ}",
            tools=Tools(components=(tool,)),
            component=_system(manifest),
        ),
        components=(*_binaries(manifest), *_sources(manifest)),
        dependencies=tuple(_dependencies(manifest)),
    )
    return (document.model_dump_json(indent=1, by_alias=True, exclude_none=True) + "\n").encode()


def _system(manifest: Manifest) -> Component:
    return Component(
        type="operating-system",
        bom_ref=f"{manifest.name}-{manifest.serial}",
        name=manifest.name,
        version=manifest.serial,
        description=manifest.title,
        components=tuple(_file(manifest, file) for file in manifest.files) or None,
    )


def _file(manifest: Manifest, file: File) -> Component:
    return Component(
        type="file",
        bom_ref=f"file:{file.name}",
        name=file.name,
        version=manifest.serial,
        hashes=(
            Hash(alg="SHA-256", content=file.sha256),
            Hash(alg="SHA-512", content=file.sha512),
        ),
    )


def _binaries(manifest: Manifest) -> Iterator[Component]:
    for package in manifest.packages:
        url = purl.binary_purl(manifest, package)
        yield _package(package.name, package.version, purl.supplier(package), url)


def _sources(manifest: Manifest) -> Iterator[Component]:
    for source in purl.sources(manifest):
        url = purl.source_purl(manifest, source)
        yield _package(source.name, source.version, source.supplier, url)


def _package(name: str, version: str, label: str, url: str) -> Component:
    supplier = Supplier(name=label) if label else None
    return Component(
        type="library", bom_ref=url, supplier=supplier, name=name, version=version, purl=url
    )


def _dependencies(manifest: Manifest) -> Iterator[Dependency]:
    binaries = {purl.binary_purl(manifest, package): package for package in manifest.packages}
    yield Dependency(ref=f"{manifest.name}-{manifest.serial}", depends_on=tuple(binaries))
    for url, package in binaries.items():
        source = purl.source_purl(manifest, purl.source_of(package))
        yield Dependency(ref=url, depends_on=(source,))
    for each in purl.sources(manifest):
        yield Dependency(ref=purl.source_purl(manifest, each))
