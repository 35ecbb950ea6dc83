# SPDX-License-Identifier: GPL-2.0-or-later
"""`images.yaml`: which images this project builds for others, in which formats, and when anew.

It holds the policies and the channels themselves, too, and where to find security advisories.

After a change of the model: `python -m builder.images > schema/images.schema.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from builder import channels, documents, names
from builder.channels import Channel, ChannelName
from builder.classes.model import FormatName
from builder.errors import UsageError
from builder.policy.model import Impacts, Policy

T = TypeVar("T")

FILE = "images.yaml"

PolicyName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
# A file, relative to the folder of images.yaml, or a URL.
Place = Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]
# What holds where a row does not say: a stable release changes for its security, and one that is
# still made changes every day.
STABLE: tuple[ChannelName, PolicyName] = ("release", "security")
IN_DEVELOPMENT: tuple[ChannelName, PolicyName] = ("daily", "always")
# Where the file says what a row's word means.
SECTIONS = {"channel": "channels", "policy": "policies"}


class ImageRow(BaseModel):
    """One image that is built and published."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    """The image's name, in any spelling, without a serial."""
    title: Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")] | None = None
    """The name for people; the release's title if there is none."""
    formats: Annotated[tuple[FormatName, ...], Field(min_length=1)]
    """The formats that are made, the one for most people first."""
    channel: ChannelName | None = None
    """Where it is published, one of `channels`; release if nothing is said, and daily for a release
    that is still being made."""
    policy: PolicyName | None = None
    """The policy that says when it is built anew; security if nothing is said, and always for a
    release that is still being made."""


class AdvisoryPlaces(BaseModel):
    """Where Debian's security data is, each a file or a URL; all may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dsa: Place | None = None
    """The list of advisories: `data/DSA/list` of the security tracker."""
    dla: Place | None = None
    """The same for releases that are in long-term support: `data/DLA/list`."""
    tracker: Place | None = None
    """The tracker's JSON."""


class ImagesFile(BaseModel):
    """The images that are built and published from this project, and when they are built anew."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    EXAMPLES: ClassVar[dict[str, str]] = {
        "images": "- {name: debian-13, formats: [qcow2]}",
        "policies": "security: {summary: Security updates, when: [security]}",
        "channels": "daily: {summary: Made every day, hide_after: 14d, delete_after: 60d}",
    }

    channels: dict[ChannelName, Channel] = Field(default_factory=lambda: dict(channels.DEFAULTS))
    """The channels by name, and how long each keeps its builds; release and daily if nothing is
    said."""
    policies: dict[PolicyName, Policy] = Field(default_factory=dict)
    """The policies by name."""
    impact: Impacts = Field(default_factory=Impacts)
    """Source packages whose updates need a reboot or a new instance, or cannot wait."""
    advisories: AdvisoryPlaces = Field(default_factory=AdvisoryPlaces)
    """Security data that explains decisions; it never makes one."""
    images: tuple[ImageRow, ...]
    """One row each, in the order in which they are listed."""


@dataclass(frozen=True)
class Listed:
    """One image of images.yaml, with all that its row leaves to the release."""

    name: names.Name
    title: str
    formats: tuple[str, ...]
    channel: str
    policy: str


@dataclass(frozen=True)
class Images:
    """All of images.yaml."""

    rows: tuple[Listed, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=lambda: channels.DEFAULTS)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    impact: Impacts = field(default_factory=Impacts)
    advisories: AdvisoryPlaces = field(default_factory=AdvisoryPlaces)

    def row(self, name: names.Name) -> Listed:
        """The row of an image, or the one that it would have if it said nothing."""
        found = next((row for row in self.rows if row.name == name), None)
        return found or unlisted(name, ())

    def channel(self, name: str) -> Channel:
        """A channel by its name; UsageError for an unknown one."""
        return _found("channel", name, self.channels)

    def policy(self, name: str) -> Policy:
        """A policy by its name; UsageError for an unknown one."""
        return _found("policy", name, self.policies)


def read(project: Path, today: date | None = None) -> Images:
    """images.yaml, its rows in its order; UsageError names what is wrong in it."""
    path = project / FILE
    if not path.exists():
        return Images()
    text = documents.read_text(path, missing="is it yours to read?")
    file = documents.parse(ImagesFile, text, path, "schema/images.schema.json")
    rows: dict[names.Name, Listed] = {}
    for row in file.images:
        one = _listed(row, path, today)
        if one.name in rows:
            raise UsageError(
                f"{path}: {one.name} stands there twice", hint="take one of both rows out"
            )
        _check_known("channel", one.channel, file.channels, one.name, path)
        _check_known("policy", one.policy, file.policies, one.name, path)
        rows[one.name] = one
    return Images(tuple(rows.values()), file.channels, file.policies, file.impact, file.advisories)


def unlisted(name: names.Name, formats: tuple[str, ...], today: date | None = None) -> Listed:
    """An image without a row, as a row with nothing but a name would have it."""
    channel, policy = IN_DEVELOPMENT if names.in_development(name, today) else STABLE
    return Listed(name, names.title(name), formats, channel, policy)


def _check_known(
    what: str, word: str, known: Mapping[str, object], name: names.Name, path: Path
) -> None:
    """Raise UsageError unless an image's channel, or its policy, is written in the same file."""
    if word not in known:
        offer, listed = names.did_you_mean(word, known), ", ".join(known) or "none"
        raise UsageError(
            f"{path}: {name} has the {what} {word}, which is not there{offer}",
            hint=f"write it below {SECTIONS[what]}:, or use one of these: {listed}",
        )


def _found(what: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise UsageError(
            f"{FILE} has no {what} {name}{names.did_you_mean(name, known)}",
            hint=f"there are: {', '.join(known) or 'none'}",
        )
    return known[name]


def _listed(row: ImageRow, path: Path, today: date | None) -> Listed:
    try:
        name = names.parse(row.name)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error
    if name != name.series:
        raise UsageError(
            f"{path}: {row.name} is one build, not a series of them", hint=f"write {name.series}"
        )
    plain = unlisted(name, row.formats, today)
    return Listed(
        name=name,
        title=row.title or plain.title,
        formats=row.formats,
        channel=row.channel or plain.channel,
        policy=row.policy or plain.policy,
    )


def schema_text() -> str:
    """The schema as it is committed."""
    schema = documents.schema_of(ImagesFile, "urn:fai-forge:v1:images", "fai-forge images.yaml")
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
