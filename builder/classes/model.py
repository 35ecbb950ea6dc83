# SPDX-License-Identifier: GPL-2.0-or-later
"""`class.yaml` as a pydantic model, and the sentences for what may be wrong in one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from builder import documents
from builder.errors import UsageError
from builder.models import ARCHES
from builder.names import did_you_mean

FILE = "class.yaml"
UNITS = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SIZE = re.compile(r"([1-9][0-9]{0,5})(MiB|GiB|TiB)")
PACKAGE = r"^[a-z0-9][a-z0-9+.-]+$"
# What stands for the release's codename in the name of a suite.
CODENAME = "{codename}"
SUITE = r"^(\{codename\}|[a-z0-9])[a-z0-9.+/-]*$"
COMPONENT = r"^[a-z0-9][a-z0-9.+/-]*$"
# FAI defines these two around all others; their files belong into the base config space.
FIRST, LAST = "DEFAULT", "LAST"
# FAI's folders (fai-guide, "The configuration space"). There is no disk_config/ and no basefiles/:
# partitions and base files are not FAI's here.
LAYOUT = ("class", "debconf", "files", "hooks", "package_config", "scripts")
CLASS_NAME = r"^[A-Z][A-Z0-9_]*$"

Kind = Literal["distro", "release", "arch", "role", "platform"]


def parse_size(text: object) -> int:
    """The bytes in a size such as "512MiB" or "2GiB"; raises ValueError."""
    match = SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a whole number of MiB, GiB or TiB is expected, such as 2GiB")
    return int(match[1]) * UNITS[match[2]]


def for_each_arch(value: object) -> object:
    """One text stands for every architecture."""
    return dict.fromkeys(ARCHES, value) if isinstance(value, str) else value


def schema_by_arch(pattern: str) -> dict[str, Any]:
    """The JSON Schema of what `for_each_arch` reads: a text, or one for each architecture."""
    text = {"type": "string", "pattern": pattern}
    by_arch = {
        "type": "object",
        "propertyNames": {"enum": list(ARCHES)},
        "additionalProperties": text,
    }
    return {"anyOf": [text, by_arch]}


def _known_arch(arch: str) -> str:
    if arch not in ARCHES:
        near = did_you_mean(arch, ARCHES)
        raise ValueError(f"an architecture is one of {', '.join(ARCHES)}{near}")
    return arch


def _inside(path: str) -> str:
    first, *rest = path.split("/")
    if first not in LAYOUT or not rest or not set(rest).isdisjoint({"", ".", ".."}):
        raise ValueError(
            "the path of a file in the config space is expected, such as files/etc/motd/NAME"
        )
    return path


ClassName = Annotated[str, StringConstraints(pattern=CLASS_NAME)]
ConfigPath = Annotated[
    str,
    AfterValidator(_inside),
    WithJsonSchema({"type": "string", "pattern": rf"^({'|'.join(LAYOUT)})/"}),
]
PackageName = Annotated[str, StringConstraints(pattern=PACKAGE)]
# It ends an error's sentence, after a colon.
Reason = Annotated[str, StringConstraints(pattern=r"^\S([^\n]*[^\s.])?$")]
FormatName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
ArchName = Annotated[str, AfterValidator(_known_arch)]
# A number in YAML is as good as a text, since what is written there is read as text.
Token = Annotated[str, WithJsonSchema({"type": ["string", "number"]})]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": f"^{SIZE.pattern}$"}),
]
Kernel = Annotated[
    dict[ArchName, PackageName],
    BeforeValidator(for_each_arch),
    WithJsonSchema(schema_by_arch(PACKAGE)),
]


class SourceRow(BaseModel):
    """Suites or components of the distribution's own archive that a class adds to the image's."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    suites: tuple[Annotated[str, StringConstraints(pattern=SUITE)], ...] = ()
    """Suites to add, such as "{codename}-backports"; without them: all that the image has."""
    components: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=COMPONENT)], ...], Field(min_length=1)
    ]
    """The components to use of these suites, such as [main, non-free-firmware]."""
    when: tuple[ClassName, ...] = ()
    """The row holds only in images that have one of these classes."""


class ClassFile(BaseModel):
    """What one FAI class is, and how image names reach it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "conflicts": "{GENERIC: it brings a kernel of its own}",
        "kernel": "{amd64: linux-image-amd64}",
    }

    api_version: Annotated[Literal["fai-forge/v1"], Field(alias="apiVersion")] = "fai-forge/v1"
    """The version of this document."""
    name: Annotated[ClassName, Field(alias="class")]
    """The FAI class; the folder has the same name."""
    kind: Kind
    """Which part of an image name stands for the class; a platform is only ever required."""
    token: Token | None = None
    """The word in image names (13, hypervisor); every kind has one, except for platform."""
    summary: Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]
    """What the class is for, in one line."""
    order: Annotated[int, Field(ge=0, le=999)]
    """Where FAI handles the class: higher is later, more specific, and wins."""
    requires: tuple[ClassName, ...] = ()
    """Classes that come with it."""
    conflicts: dict[ClassName, Reason] = {}
    """Classes that cannot be in one image with it, each with the reason: one line, no full stop."""
    defaults: tuple[ClassName, ...] = ()
    """Classes that come with it unless something in the image conflicts with them."""
    disk_size: Size | None = None
    """The least size of the disk, such as 2GiB; the largest of an image's classes counts."""
    kernel: Kernel | None = None
    """The kernel's package, one for all architectures or one for each; the last class counts."""
    packages: tuple[PackageName, ...] = ()
    """Packages that an image with this class promises to have."""
    sources: tuple[SourceRow, ...] = ()
    """What is added to the image's apt sources."""
    formats: tuple[FormatName, ...] = ()
    """Formats to make if none are asked for; the last class that names any counts."""
    replaces: tuple[ConfigPath, ...] = ()
    """Files of others, by their path in the config space, whose place files of this folder take."""

    @model_validator(mode="after")
    def _has_a_fitting_token(self) -> Self:
        if self.kind == "platform" and self.token is not None:
            raise ValueError("a class of kind platform has no token, since no image name says it")
        if self.kind != "platform" and not self.token:
            raise ValueError(f"a class of kind {self.kind} needs a token, the word in image names")
        return self


def read(folder: Path) -> ClassFile:
    """Read `class.yaml` of one overlay; raises UsageError that names the file and the field."""
    path = folder / FILE
    text = documents.read_text(
        path, missing=f"each folder in {folder.parent} is a FAI class with a {FILE}"
    )
    file = parse_text(text, path)
    if file.name != folder.name:
        raise UsageError(
            f"{path}: the class {file.name} lies in a folder called {folder.name}",
            hint="give both the same name",
        )
    if file.name in (FIRST, LAST):
        raise UsageError(
            f"{path}: FAI itself defines the class {file.name}",
            hint="put its files into the base config space",
        )
    return file


def parse_text(text: str, path: Path) -> ClassFile:
    """The class that a document describes; `path` is for messages. Raises UsageError only."""
    return documents.parse(ClassFile, text, path, "schema/class.schema.json")
