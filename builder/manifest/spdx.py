# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest as an SPDX 2.3 document: every package, its source, and the files of the image.

Nothing is said about licenses: the manifest does not know them.
Source: https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from builder.manifest import purl
from builder.manifest.model import File, Manifest
from builder.manifest.model import Package as Installed
from builder.models import BuildId

SUFFIX: Final = ".spdx.json"
UNKNOWN: Final = "NOASSERTION"
DOCUMENT: Final = "SPDXRef-DOCUMENT"
SYSTEM: Final = "SPDXRef-System"
# What an SPDX id may have. Names of packages have no capital letters, so X begins an escape.
PLAIN = re.compile(r"[^a-z0-9.-]")

Relation = Literal["DESCRIBES", "CONTAINS", "GENERATES"]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Checksum(_Part):
    """A digest of a file."""

    algorithm: Literal["SHA256", "SHA512"]
    checksum_value: str


class ExternalRef(_Part):
    """What others call a package."""

    reference_category: str = "PACKAGE-MANAGER"
    reference_type: str = "purl"
    reference_locator: str


class Package(_Part):
    """Anything that is installed, was built from, or was built."""

    id: str = Field(serialization_alias="SPDXID")
    name: str
    version_info: str
    package_file_name: str | None = None
    supplier: str = UNKNOWN
    download_location: str = UNKNOWN
    files_analyzed: bool = False
    checksums: tuple[Checksum, ...] | None = None
    license_concluded: str = UNKNOWN
    license_declared: str = UNKNOWN
    copyright_text: str = UNKNOWN
    external_refs: tuple[ExternalRef, ...] | None = None
    primary_package_purpose: str


class Relationship(_Part):
    """How two of them belong together."""

    spdx_element_id: str
    relationship_type: Relation
    related_spdx_element: str


class CreationInfo(_Part):
    """When and by what the document was made."""

    created: str
    creators: tuple[str, ...]


class Document(_Part):
    """The whole document."""

    spdx_version: str = "SPDX-2.3"
    data_license: str = "CC0-1.0"
    id: str = Field(default=DOCUMENT, serialization_alias="SPDXID")
    name: str
    document_namespace: str
    creation_info: CreationInfo
    packages: tuple[Package, ...]
    relationships: tuple[Relationship, ...]


def render(manifest: Manifest) -> bytes:
    """The document as a file; the same manifest always gives the same bytes."""
    name = f"{manifest.name}-{manifest.serial}"
    document = Document(
        name=name,
        document_namespace=f"urn:uuid:{identity(manifest, 'spdx')}",
        creation_info=CreationInfo(
            created=f"{manifest.build.date:%Y-%m-%dT%H:%M:%SZ}",
            creators=(f"Tool: fai-forge-{manifest.build.tool_version}",),
        ),
        packages=tuple(_packages(manifest)),
        relationships=tuple(_relationships(manifest)),
    )
    return (document.model_dump_json(indent=1, by_alias=True, exclude_none=True) + "\n").encode()


def identity(manifest: Manifest, what: str) -> str:
    """The UUID of a document about a build: of these very files, not of their names alone."""
    build = BuildId(manifest.name, manifest.serial, manifest.build.source_date_epoch)
    return str(build.uuid(" ".join((what, *(file.sha256 for file in manifest.files)))))


def _packages(manifest: Manifest) -> Iterator[Package]:
    yield Package(
        id=SYSTEM,
        name=manifest.name,
        version_info=manifest.serial,
        primary_package_purpose="OPERATING_SYSTEM",
    )
    for file in manifest.files:
        yield _file(manifest, file)
    for package in manifest.packages:
        yield Package(
            id=_binary_id(package),
            name=package.name,
            version_info=package.version,
            supplier=_supplier(purl.supplier(package)),
            external_refs=_refs(purl.binary_purl(manifest, package)),
            primary_package_purpose="LIBRARY",
        )
    for source in purl.sources(manifest):
        yield Package(
            id=_source_id(source),
            name=source.name,
            version_info=source.version,
            supplier=_supplier(source.supplier),
            external_refs=_refs(purl.source_purl(manifest, source)),
            primary_package_purpose="SOURCE",
        )


def _file(manifest: Manifest, file: File) -> Package:
    return Package(
        id=_file_id(file),
        name=file.name,
        version_info=manifest.serial,
        package_file_name=file.name,
        checksums=(
            Checksum(algorithm="SHA256", checksum_value=file.sha256),
            Checksum(algorithm="SHA512", checksum_value=file.sha512),
        ),
        primary_package_purpose="ARCHIVE",
    )


def _relationships(manifest: Manifest) -> Iterator[Relationship]:
    yield _relation(DOCUMENT, "DESCRIBES", SYSTEM)
    for file in manifest.files:
        yield _relation(_file_id(file), "CONTAINS", SYSTEM)
    for package in manifest.packages:
        yield _relation(SYSTEM, "CONTAINS", _binary_id(package))
        yield _relation(_source_id(purl.source_of(package)), "GENERATES", _binary_id(package))


def _relation(first: str, kind: Relation, second: str) -> Relationship:
    return Relationship(spdx_element_id=first, relationship_type=kind, related_spdx_element=second)


def _refs(locator: str) -> tuple[ExternalRef, ...]:
    return (ExternalRef(reference_locator=locator),)


def _supplier(label: str) -> str:
    return f"Organization: {label}" if label else UNKNOWN


def _binary_id(package: Installed) -> str:
    return f"SPDXRef-Package-{_plain(package.name)}.A.{_plain(package.arch)}"


def _source_id(source: purl.Source) -> str:
    return f"SPDXRef-Source-{_plain(source.name)}.V.{_plain(source.version)}"


def _file_id(file: File) -> str:
    return f"SPDXRef-Image-{_plain(file.name)}"


def _plain(text: str) -> str:
    return PLAIN.sub(lambda found: f"X{ord(found[0]):02X}", text)
