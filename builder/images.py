# SPDX-License-Identifier: GPL-2.0-or-later
"""`images.yaml`: which images this project builds for others, and in which formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from builder import names
from builder.errors import UsageError

FILE = "images.yaml"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    formats: list[str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    images: list[_Row]


@dataclass(frozen=True)
class Listed:
    """One image of images.yaml."""

    name: names.Name
    formats: tuple[str, ...]


def read(project: Path) -> tuple[Listed, ...]:
    """The rows of images.yaml, in its order; UsageError names what is wrong in it."""
    path = project / FILE
    try:
        content = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(
            f"{path}: {where}: {first['msg']}",
            hint="each row of images: has a name and a list of formats",
        ) from error
    rows = tuple(Listed(names.parse(row.name), tuple(row.formats)) for row in content.images)
    for row in rows:
        if row.name != row.name.series:
            raise UsageError(f"{path}: {row.name} is one build, not a series of them")
    return rows
