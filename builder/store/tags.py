# SPDX-License-Identifier: GPL-2.0-or-later
"""`tags.yaml`: which builds get which names, written by people and reviewed before it is done.

The shape is the one that StarlingX has for its container images, and rows about such images may
stand in the same file: a name with a registry in front is one of those.

After a change of the model: `python -m builder.store.tags > schema/tags.schema.json`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from builder import documents, names
from builder.errors import UsageError

FILE: Final = "tags.yaml"
# A commit as git writes it in full, with SHA-1 or with SHA-256.
COMMIT = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])")
# The grammar of the OCI distribution specification. A registry is a host name with a dot, or has a
# port: anything else could be the first part of a path.
REPOSITORY = re.compile(
    r"(?P<registry>localhost|(?=[^/]*[.:])[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]{1,5})?)"
    r"/(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
)
OCI_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

Word = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=255)]


class TagRow(BaseModel):
    """One name for one build."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Word
    """The series, such as debian-13-hypervisor; or an OCI image with its registry."""
    src_build_tag: Word
    """Which build: its serial, such as 20261119.1; or the tag that an OCI image has."""
    src_ref: Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=1024)]
    """The commit that it was built from, in full, or a link to it."""
    tag: Word
    """The name: a point release (13.4), a month (202611), or a milestone (beta, rc1)."""

    @property
    def is_oci(self) -> bool:
        """Whether it is about an image in a registry."""
        return "/" in self.name

    @property
    def commit(self) -> str:
        """The commit that `src_ref` names."""
        return str(COMMIT.findall(self.src_ref)[-1])

    @model_validator(mode="after")
    def _fits_its_kind(self) -> TagRow:
        if not COMMIT.search(self.src_ref):
            raise ValueError("src_ref must be a commit in full, or a link that has one in it")
        _check_oci(self) if self.is_oci else _check_image(self)
        return self


class TagsFile(BaseModel):
    """Names that builds are promoted to. A name that was given once never moves."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    images: tuple[TagRow, ...]
    """One row for each name."""

    @model_validator(mode="after")
    def _each_once(self) -> TagsFile:
        keys = [(row.name, row.tag) for row in self.images]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise ValueError(f"{twice[0]} has the tag {twice[1]} twice")
        return self


def read(path: Path) -> tuple[TagRow, ...]:
    """The rows of a file, in its order; UsageError names what is wrong in it."""
    text = documents.read_text(path, missing="is that the right path?")
    return documents.parse(TagsFile, text, path, "schema/tags.schema.json").images


def _check_image(row: TagRow) -> None:
    """Raise ValueError unless the three words are parts of an image's name."""
    try:
        promoted = names.parse(f"{row.name}-{row.tag}")
        built = names.parse(f"{row.name}-{row.src_build_tag}")
    except UsageError as error:
        raise ValueError(error.message) from error
    if str(promoted.series) != row.name or promoted.tag != row.tag:
        raise ValueError(
            f"{row.tag} is no tag of {row.name}: tags are point releases (13.4), months (202611) or"
            " milestones (beta, rc1), after the name of a series in its canonical spelling"
        )
    if built.serial != row.src_build_tag:
        raise ValueError(f"src_build_tag {row.src_build_tag} is no serial, such as 20261119.1")


def _check_oci(row: TagRow) -> None:
    """Raise ValueError unless it is a repository with its registry, and two tags."""
    if not REPOSITORY.fullmatch(row.name):
        raise ValueError(f"{row.name} is no OCI image: REGISTRY/PATH is expected, without a tag")
    for tag in (row.src_build_tag, row.tag):
        if not OCI_TAG.fullmatch(tag):
            raise ValueError(f"{tag} cannot be a tag of an OCI image")


def schema_text() -> str:
    """The schema as it is committed."""
    schema = documents.schema_of(TagsFile, "urn:fai-forge:v1:tags", "fai-forge tags.yaml")
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
