# SPDX-License-Identifier: GPL-2.0-or-later
"""`facility.yaml` as pydantic models: what a site keeps, where it comes from, where it goes.

Keys that stand for one kind of remote or target have their own models in `builder.facility.kinds`.
After a change: `python -m builder.facility.schema > schema/facility.schema.json`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, model_validator

from builder import documents
from builder.channels import ChannelName
from builder.facility.amounts import Amount
from builder.facility.kinds import Entry, RemoteEntry, TargetEntry
from builder.sites.model import OverlayEntry
from builder.spans import Span

FILE: Final = "facility.yaml"
VARIABLE: Final = "FAI_FORGE_FACILITY"
SCHEMA: Final = "schema/facility.schema.json"
# The channel of images that a site added by hand; they are never pushed to another store.
CUSTOM: Final = "custom"
# The channel of images that come from their makers.
UPSTREAM: Final = "upstream"

Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?\[\].!-]{1,100}$")]
# A word of a command line: no option.
UpstreamName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?\[][a-z0-9*?\[\].!-]{0,99}$")]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^([0-9A-F]{40}|[0-9A-F]{64})$")]


class LocalStore(Entry):
    """The site's own store: a folder with a signed index, which other sites may read."""

    path: Annotated[str, StringConstraints(min_length=1)]
    """Its folder; relative to the file that says so."""
    key: Fingerprint
    """The OpenPGP key that signs its index, by its whole fingerprint."""
    valid: Span = timedelta(days=30)
    """For how long its index is valid after each change, such as 30d."""
    quota: Amount | None = None
    """What its images may take in all, such as 200GiB; no limit if it is not there."""


class Wanted(Entry):
    """Images that the site keeps current, by a pattern of their names."""

    match: Pattern
    """The series' names; * and ? stand for any characters: debian-13*."""
    remotes: Annotated[tuple[Label, ...], Field(alias="from")] = ()
    """The remotes to take them from, the first that has the newest wins; all of them if empty."""
    channels: tuple[ChannelName, ...] = ("release",)
    """The channels to take builds of."""
    formats: tuple[str, ...] = ("qcow2",)
    """The formats to take; an empty list means all of them."""
    keep: PositiveInt = 2
    """How many builds of each series stay here."""
    to: tuple[Label, ...] = ()
    """The targets that the newest build goes to."""


class Custom(Entry):
    """How long images stay that the site added by hand, or built."""

    keep: PositiveInt = 3
    """How many of each series stay in any case."""
    expire_after: Span | None = None
    """Others are removed when they are older, such as 365d; only by number if it is not there."""
    to: tuple[Label, ...] = ()
    """The targets that they go to."""


class Upstreams(Entry):
    """Images of distributions themselves, which the site fetches from their makers."""

    images: Annotated[tuple[UpstreamName, ...], Field(min_length=1)]
    """The images' names; * and ? stand for any characters: ubuntu-*."""
    folders: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    """Folders with the site's own sources (docs/upstreams.md); relative to this file."""


class Facility(Entry):
    """A site: its store, the remotes it reads, the images it keeps, the places they go to."""

    api_version: Annotated[Literal["fai-forge/v1"], Field(alias="apiVersion")] = "fai-forge/v1"
    """The version of this document."""
    kind: Literal["Facility"] = "Facility"
    name: Label
    """What the site is called."""
    store: LocalStore
    remotes: Annotated[Mapping[Label, RemoteEntry], AfterValidator(dict)] = {}
    """Where images come from, by the site's names for them."""
    series: tuple[Wanted, ...] = ()
    """What sync keeps current; of several that match a name, the first counts."""
    custom: Custom = Custom()
    targets: Annotated[Mapping[Label, TargetEntry], AfterValidator(dict)] = {}
    """Where images go, by the site's names for them."""
    upstreams: Upstreams | None = None
    """What `schedule run upstream` brings in; nothing if it is not there."""
    overlays: tuple[OverlayEntry, ...] = ()
    """Overlays with the site's own classes, for `build --upload` and `pull --by-rebuild`."""

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        for row in self.series:
            _known(row.remotes, self.remotes, "remote")
        for to in (*(row.to for row in self.series), self.custom.to):
            _known(to, self.targets, "target")
        return self

    def wanted(self, series: str) -> Wanted | None:
        """The row that a series falls under; None where the site does not keep it."""
        return next((row for row in self.series if fnmatchcase(series, row.match)), None)


def _known(names: tuple[str, ...], table: Mapping[str, object], what: str) -> None:
    for name in names:
        if name not in table:
            known = ", ".join(table) or "none"
            raise ValueError(f"there is no {what} {name!r} (there is: {known})")


def find(given: Path | None) -> Path:
    """The file to read: the one that is given, $FAI_FORGE_FACILITY, or facility.yaml here."""
    return given or Path(os.environ.get(VARIABLE) or FILE)


def read(path: Path) -> Facility:
    """Read `facility.yaml`; a UsageError names the file and the field."""
    text = documents.read_text(
        path, missing="fai-forge facility init writes one; or name it with --facility"
    )
    return documents.parse(Facility, text, path, SCHEMA)
