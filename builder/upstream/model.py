# SPDX-License-Identifier: GPL-2.0-or-later
"""`upstreams/*.yaml`: where a distribution publishes its images, one file for each.

A text may hold words in braces, which stand for what is known of an image: see `Series.words`.

After a change of the model: `python -m builder.upstream.model > schema/upstream.schema.json`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import date
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from builder.documents import schema_of
from builder.facility.kinds import Entry, Line
from builder.models import ARCHES
from builder.names import is_role
from builder.upstream.kinds import IndexEntry, Url

# gpg prints them in groups of four.
Fingerprint = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9A-F]{40}|[0-9A-F]{64})$"),
    BeforeValidator(lambda said: "".join(said.split()).upper() if isinstance(said, str) else said),
]
Release = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(\.[a-z0-9]+)*$", max_length=32)]
# What a part of a URL or of a file's name is made from.
Template = Annotated[str, StringConstraints(pattern=r"^\S+$")]
Firmware = Literal["bios", "uefi", "uefi-secureboot"]
# SCS-0102, the words of replace_frequency, uuid_validity and os_purpose.
Frequency = Literal["yearly", "quarterly", "monthly", "weekly", "daily", "critical_bug", "never"]
Purpose = Literal["generic", "minimal", "k8snode", "gpu", "network", "custom", "oldgeneric"]
SCHEMA_ID: Final = "urn:fai-forge:v1:upstream"
ARCH: Final = re.compile(r"[A-Za-z0-9_.-]+")


def _pattern(text: str) -> str:
    """A regular expression, once its words in braces are there."""
    try:
        re.compile(re.sub(r"\{[a-z]+\}", "x", text))
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from error
    return text


def _arches(found: Mapping[str, str]) -> Mapping[str, str]:
    for ours, theirs in found.items():
        if ours not in ARCHES:
            raise ValueError(f"{ours} is no architecture of ours: {', '.join(ARCHES)}")
        if not ARCH.fullmatch(theirs):
            raise ValueError(f"{theirs} cannot be a part of a URL")
    return found


def _role(role: str) -> str:
    if not is_role(role):
        raise ValueError("a role has small letters and digits, and is no word of another meaning")
    return role


Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_pattern)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]
Role = Annotated[str, AfterValidator(_role)]
Arches = Annotated[dict[str, str], AfterValidator(_arches), Field(min_length=1)]


class Signature(Entry):
    """What is signed, and whose signature is accepted."""

    over: Literal["list", "image", "index"] = "list"
    """What is signed: the list of digests, each image, or the index itself."""
    file: Template = ""
    """Where the signature is, relative to what is signed; {list} and {file} stand for the name of
    that. The name of the list itself where the list is clearsigned; empty for an index that has its
    own way, such as simplestreams."""
    keyring: Line
    """The file with the public keys: below /usr/share, or in the folder of this file."""
    package: Line | None = None
    """The Debian package that has this file."""
    source: Url | None = None
    """Where its makers publish the keys; asked where there is no such file. Whoever answers, only
    the fingerprints below count."""
    keys: Annotated[tuple[Fingerprint, ...], Field(min_length=1)]
    """The fingerprints of the keys that may sign; others of the keyring may not."""
    expired: tuple[Fingerprint, ...] = ()
    """Those of them that may have expired: who publishes goes on signing with them."""

    @model_validator(mode="after")
    def _expired_ones_are_keys(self) -> Self:
        if not set(self.expired) <= set(self.keys):
            raise ValueError("a key that may have expired must be among keys as well")
        return self


class Packages(Entry):
    """A list of an image's packages that is published beside it."""

    file: Template
    """Relative to the image; {file} is its name, {stem} the same without its last suffix."""
    form: Literal["dpkg", "debian-json"]
    """`dpkg` for lines with a name and a version, `debian-json` for Debian's builds."""


class Traits(Entry):
    """What may be said of a distribution, and otherwise of one of its releases."""

    title: Line | None = None
    """The name for people; it is made from the distribution and the release if it is not there."""
    os_distro: Line | None = None
    """What OpenStack calls the distribution (libosinfo's word)."""
    os_version: Line | None = None
    """What OpenStack is told of the version; the release's number if it is not there."""
    default_user: Line | None = None
    """Who logs in with the key that cloud-init is given."""
    purpose: Purpose | None = None
    """os_purpose of SCS-0102; generic if nothing is said."""
    firmware: tuple[Firmware, ...] | None = None
    """The kinds of firmware that it starts with."""
    min_disk: Annotated[int, Field(ge=0)] | None = None
    """GiB that it needs; the disk's own size if that is more."""
    min_ram: Annotated[int, Field(ge=0)] | None = None
    """MiB of memory that it needs."""
    disk_bus: Literal["virtio", "scsi", "sata", "ide"] | None = None
    """hw_disk_bus; virtio if nothing is said."""
    replace_frequency: Frequency | None = None
    """How often a new version comes."""
    keep: Annotated[int, Field(ge=1)] | None = None
    """How many versions a store keeps; 3 if nothing is said. It is told as uuid_validity."""
    provided_until: date | None = None
    """The last day of updates that everybody gets; distro-info's if it is not there and known."""
    properties: dict[str, str] | None = None
    """Other properties for OpenStack."""
    arches: Arches | None = None
    """Debian's names of the architectures, and what stands in place of {arch} for each."""
    words: dict[str, dict[Word, str]] | None = None
    """Other words in braces, by Debian's name of the architecture, where {arch} is not enough."""
    index: IndexEntry | None = None
    """Where the versions are found."""
    file: Pattern | None = None
    """The regular expression of the image's whole name; its groups are `version`, `date` and
    `respin`, as far as the name tells them. Words in braces are filled in first."""
    checksums: Template | None = None
    """The list of digests, relative to the image, where the index has none; {file} is its name."""
    signature: Signature | None = None
    """What is signed, and by whom."""
    unsigned: Line | None = None
    """Why there is no signature: who publishes none must be named as such."""
    packages: Packages | None = None


class ReleaseEntry(Traits):
    """One release of the distribution, and what is otherwise about it."""

    release: Release
    """The token in our names: 10, 2404, 16.0, tumbleweed."""
    number: Line | None = None
    """The version as people write it (24.04); the token if it is not there."""
    codename: Line | None = None


class Newest(Entry):
    """Releases that are found out and not listed."""

    of: Literal["distro-info", "index"]
    """Who knows them: distro-info by the day, or the index itself."""
    count: Annotated[int, Field(ge=1)] = 1
    """How many of the newest."""
    only: Literal["", "lts"] = ""
    """`lts`: those with long-term support only."""


class Upstream(Traits):
    """Where a distribution publishes its images, and how the newest is known and verified."""

    EXAMPLES: ClassVar[dict[str, str]] = {
        "releases": '- {release: "10"}',
        "newest": "{of: index, count: 1}",
        "unsigned": "its makers publish no signature",
    }

    distro: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
    """The first token of our names."""
    roles: tuple[Role, ...] = ()
    """The tokens behind the release, where other images have the plain name."""
    redirects: tuple[Line, ...] = ()
    """Servers that may answer for the named one where nothing is signed."""
    mirrors: Annotated[dict[str, tuple[Line, ...]], Field(default_factory=dict)]
    """Other addresses by the beginning of a URL, asked in this order where that one fails."""
    releases: tuple[ReleaseEntry, ...] = ()
    """What is known of each release; without `newest`, these are all that there are."""
    newest: Newest | None = None
    """Releases that are found out; what `releases` says about them counts as well."""

    @model_validator(mode="after")
    def _has_releases(self) -> Self:
        if not self.releases and self.newest is None:
            raise ValueError("it needs releases, or newest to find them out")
        tokens = [each.release for each in self.releases]
        if len(set(tokens)) != len(tokens):
            raise ValueError("a release stands there twice")
        return self


def schema() -> str:
    """The JSON Schema of one file, as it is committed."""
    return json.dumps(schema_of(Upstream, SCHEMA_ID, "fai-forge upstream"), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
