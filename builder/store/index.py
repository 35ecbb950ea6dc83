# SPDX-License-Identifier: GPL-2.0-or-later
"""The index of a store as pydantic models: every series, every build, where its files are.

It is all that a reader believes: a build that the index does not name is not published. It is
signed, its serial only grows, and it is valid for a while only, so that nobody can show a reader an
old state for long. The index names a build's images and its list of digests (SHA256SUMS), which
names the rest. After a change of the model: `python -m builder.store.schema >
schema/store-index.schema.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, NonNegativeInt, PositiveInt, StringConstraints

from builder.channels import ChannelName
from builder.manifest.parts import (
    API_VERSION,
    FileName,
    Part,
    Serial,
    Series,
    Sha256,
    Text,
    Time,
)

KIND: Final = "StoreIndex"
NAME: Final = "index.json"
# The index with its signature around it (clearsigned): what readers read. NAME is a copy without.
SIGNED: Final = "index.json.asc"
SUMS: Final = ("SHA256SUMS", "SHA512SUMS")

# What follows a series in the name of a promoted build.
Tag = Annotated[str, StringConstraints(pattern=r"^[0-9a-z][0-9a-z.]{0,31}$")]
# Public builds are found; hidden ones only by who knows their serial; of removed ones the manifest
# is left, so that they can be built again.
State = Literal["public", "hidden", "removed"]


class Digest(Part):
    """A file whose content is known."""

    name: FileName
    size: NonNegativeInt
    """In bytes."""
    sha256: Sha256


class Image(Digest):
    """A file that machines are made from."""

    format: Text
    fingerprint: Sha256 | None = None
    """The sha256 of the build's `metadata` followed by this file, which is how Incus and LXD know
    the image; null for a format that they do not start from."""


class Delta(Digest):
    """A file that makes an image out of that of an earlier build; docs/deltas.md says how."""

    format: Text
    """The format of the image that it makes."""
    base: Serial
    """The build that it starts from."""


class TagEntry(Part):
    """A name that a build was promoted to; it never moves."""

    tag: Tag
    date: Time
    """When it was promoted."""
    reference: str = ""
    """The commit or link that asked for it."""


# What the index says of a build that nobody booted.
NO_BOOT: Final = "no boot was tried"


class Build(Part):
    """One published build."""

    serial: Serial
    channel: ChannelName
    published: Time
    """When it came into the store."""
    state: State = "public"
    images: Annotated[
        tuple[Image, ...],
        AfterValidator(lambda files: tuple(sorted(files, key=lambda file: file.name))),
    ]
    """The images, by name; none where only the manifest is left."""
    manifest: Digest
    """The manifest document."""
    sums: Digest
    """The SHA256SUMS file, which names all files of the build."""
    metadata: Digest | None = None
    """The tarball that Incus and LXD read beside an image; null where there is none."""
    secure_boot: bool = False
    """Whether it starts where the firmware asks for a signed boot loader."""
    tags: tuple[TagEntry, ...] = ()
    """The names that it was promoted to."""
    unverified: tuple[Text, ...] = ()
    """What had failed, or was never tried, when somebody published it all the same."""
    deltas: Annotated[
        tuple[Delta, ...],
        AfterValidator(lambda files: tuple(sorted(files, key=lambda file: file.name))),
    ] = ()
    """What spares readers who have an earlier build a part of the line, by name."""
    origin: str = ""
    """Where a site took it from, without secrets; empty where it was published first."""


class SeriesEntry(Part):
    """One image, and all of its builds."""

    name: Series
    title: Text
    distro: Text
    release: Text
    codename: str
    arch: Text
    roles: tuple[Text, ...]
    builds: tuple[Build, ...]
    """Oldest first."""


def _by_name(entries: tuple[SeriesEntry, ...]) -> tuple[SeriesEntry, ...]:
    """Sorted; with two entries of a name, readers would disagree about which one counts."""
    found = {entry.name: entry for entry in entries}
    if len(found) != len(entries):
        raise ValueError("a series stands there twice")
    return tuple(found[name] for name in sorted(found))


class StoreIndex(Part):
    """Everything that a store has."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["StoreIndex"] = KIND
    serial: PositiveInt
    """It grows with every change; a reader refuses one that is smaller than one that it saw."""
    date: Time
    """When it was written."""
    valid_until: Time
    """After this time a reader refuses it."""
    series: Annotated[tuple[SeriesEntry, ...], AfterValidator(_by_name)] = ()
    """By name, each once."""


def folder(series: str, build: Build) -> str:
    """Where the files of a build are in the store, with slashes: SERIES/[CHANNEL/]SERIAL.

    Only released builds are directly in the folder of their series.
    """
    between = "" if build.channel == "release" else f"{build.channel}/"
    return f"{series}/{between}{build.serial}"


def changed(index: StoreIndex, change: Callable[[str, Build], Build]) -> StoreIndex:
    """The index in which each build is what `change` makes of it, given the name of its series."""
    return index.model_copy(
        update={
            "series": tuple(
                entry.model_copy(
                    update={"builds": tuple(change(entry.name, build) for build in entry.builds)}
                )
                for entry in index.series
            )
        }
    )
