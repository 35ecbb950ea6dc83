# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of an image that fai-forge did not build: what is known of it, and from whom.

It stands where the manifest of a build stands, under the same file name, and has the fields of that
one that are about any image (`Document`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, NonNegativeInt

from builder.manifest.model import File, Manifest, Package, Verdict
from builder.manifest.parts import API_VERSION, Part, Serial, Series, Text, Time

KIND: Final = "ImportedImage"


class Origin(Part):
    """Where an image came from, and what vouches for it."""

    url: Text
    """Where its file was, without secrets; of a site's own image the file's name."""
    retrieved: Time
    """When it was brought here."""
    version: str = ""
    """What its makers call this version; empty where they have no word for it."""
    date: Time | None = None
    """When it was made, by its makers' word; null where they say nothing."""
    checksum: str = ""
    """The digest that its makers publish, as ALGORITHM:HEXADECIMAL; empty where there is none."""
    signed_by: str = ""
    """The fingerprint of the key whose signature covers that digest; empty where none does."""
    vouched: Text
    """What vouches for it, in one line."""


class Imported(Part):
    """What is known of an image that others made."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["ImportedImage"] = KIND
    name: Series
    """The series: the image's name without its serial."""
    serial: Serial
    """Which image of the series: the day, then .1, .2 for more on that day."""
    title: Text
    """The name for people."""
    distro: Text
    release: Text
    codename: str = ""
    arch: Text
    """Debian's name of the architecture."""
    roles: tuple[Text, ...] = ()
    origin: Origin
    properties: Mapping[str, str] = {}
    """What OpenStack's image service is told of it, such as os_distro and min_disk."""
    virtual_size: NonNegativeInt | None = None
    """The size of the disk in bytes; null for what is no disk."""
    packages: Annotated[
        tuple[Package, ...],
        AfterValidator(lambda all_: tuple(sorted(all_, key=lambda each: (each.name, each.arch)))),
    ] = ()
    """Its packages, where its makers publish a list."""
    installed_bytes: NonNegativeInt | None = None
    """What its files take on the disk; null where nobody measured."""
    files: Annotated[
        tuple[File, ...],
        AfterValidator(lambda files: tuple(sorted(files, key=lambda file: file.name))),
    ]
    """Every file, by name."""
    checks: tuple[Verdict, ...] = ()
    """What was looked at when it was taken in."""
    boots: tuple[Verdict, ...] = ()
    """What live boots found."""


# What describes one image of a store.
Document: TypeAlias = Manifest | Imported
