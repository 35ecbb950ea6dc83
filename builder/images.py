# SPDX-License-Identifier: GPL-2.0-or-later
"""`images.yaml`: which images this project builds for others, in which formats, and when anew.

After a change of the model: `python -m builder.images > schema/images.schema.json`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from builder import documents, names
from builder.classes.model import FormatName
from builder.errors import UsageError

FILE = "images.yaml"

# When a published image is built anew; what each looks at is the policies' own business.
Policy = Literal["security", "reboot-required", "monthly", "point-release", "always"]
# Where it is published: kept until its release's end of life, or for some days.
Channel = Literal["release", "daily"]
# What holds where a row does not say: a stable release changes for its security, and one that is
# still made changes every day.
STABLE: tuple[Channel, Policy] = ("release", "security")
IN_DEVELOPMENT: tuple[Channel, Policy] = ("daily", "always")


class ImageRow(BaseModel):
    """One image that is built and published."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    """The image's name, in any spelling, without a serial."""
    title: Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")] | None = None
    """The name for people; the release's title if there is none."""
    formats: Annotated[tuple[FormatName, ...], Field(min_length=1)]
    """The formats that are made, the one for most people first."""
    channel: Channel | None = None
    """release or daily; a release that is still being made is daily if nothing is said."""
    policy: Policy | None = None
    """When it is built anew; security, and always for a release that is still being made."""


class ImagesFile(BaseModel):
    """The images that are built and published from this project."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    EXAMPLES: ClassVar[dict[str, str]] = {"images": "- {name: debian-13, formats: [qcow2]}"}

    images: tuple[ImageRow, ...]
    """One row each, in the order in which they are listed."""


@dataclass(frozen=True)
class Listed:
    """One image of images.yaml, with all that its row leaves to the release."""

    name: names.Name
    title: str
    formats: tuple[str, ...]
    channel: Channel
    policy: Policy


def read(project: Path, today: date | None = None) -> tuple[Listed, ...]:
    """The rows of images.yaml, in its order; UsageError names what is wrong in it."""
    path = project / FILE
    if not path.exists():
        return ()
    text = documents.read_text(path, missing="is it yours to read?")
    file = documents.parse(ImagesFile, text, path, "schema/images.schema.json")
    rows: dict[names.Name, Listed] = {}
    for row in file.images:
        one = _listed(row, path, today)
        if one.name in rows:
            raise UsageError(
                f"{path}: {one.name} stands there twice", hint="take one of both rows out"
            )
        rows[one.name] = one
    return tuple(rows.values())


def unlisted(name: names.Name, formats: tuple[str, ...], today: date | None = None) -> Listed:
    """An image without a row, as a row with nothing but a name would have it."""
    channel, policy = IN_DEVELOPMENT if names.in_development(name, today) else STABLE
    return Listed(name, names.title(name), formats, channel, policy)


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
