# SPDX-License-Identifier: GPL-2.0-or-later
"""`site.yaml` as a pydantic model: what a site adds to the project."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from builder import documents

FILE = "site.yaml"
VARIABLE = "FAI_FORGE_SITE"
SCHEMA = "schema/site.schema.json"
# git has more ways to fetch, some of which run programs; these do not.
PROTOCOLS = ("https", "ssh", "file")
# No query and no fragment: a commit stands behind "#", and what stands behind "?" may be secret.
URL = rf"^({'|'.join(PROTOCOLS)})://[^\s?#]+$"
COMMIT = r"^[0-9a-f]{40}([0-9a-f]{24})?$"


def _one_of_two(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["folder"]}, {"required": ["url", "commit"]}]


class OverlayEntry(BaseModel):
    """One overlay: a folder, or a git repository at one commit."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra=_one_of_two
    )

    folder: Annotated[str, StringConstraints(min_length=1)] | None = None
    """A folder that holds classes/NAME/; relative to the file that says so."""
    url: Annotated[str, StringConstraints(pattern=URL)] | None = None
    """A git repository, by https, ssh or file."""
    commit: Annotated[str, StringConstraints(pattern=COMMIT)] | None = None
    """The commit that is used of it, in full."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if self.folder is not None and (self.url or self.commit):
            raise ValueError("an overlay is a folder, or a url with a commit, and not both")
        if self.folder is None and not self.url:
            raise ValueError("an overlay needs a folder, or a url with a commit")
        if self.url and not self.commit:
            raise ValueError("the url needs a commit, all 40 hexadecimal digits of it")
        return self


class SiteFile(BaseModel):
    """What a site adds to the project."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    api_version: Annotated[Literal["fai-forge/v1"], Field(alias="apiVersion")] = "fai-forge/v1"
    """The version of this document."""
    overlays: tuple[OverlayEntry, ...] = ()
    """Overlays from outside of the project, used by every verb that reads classes."""


def find(given: Path | None) -> Path | None:
    """The file to read: the one that is given, $FAI_FORGE_SITE, or site.yaml here; None if none."""
    if given is not None:
        return given
    if named := os.environ.get(VARIABLE):
        return Path(named)
    here = Path(FILE)
    return here if here.exists() else None


def read(path: Path) -> SiteFile:
    """Read `site.yaml`; a UsageError names the file and the field."""
    text = documents.read_text(path, missing=f"name another one with --site, or unset {VARIABLE}")
    return documents.parse(SiteFile, text, path, SCHEMA)


def is_url(text: str) -> bool:
    """Whether this is a URL that an overlay may have."""
    return re.fullmatch(URL, text) is not None
