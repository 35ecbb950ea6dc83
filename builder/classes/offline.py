# SPDX-License-Identifier: GPL-2.0-or-later
"""`tests/offline.yaml`: what a class promises of the finished tree of every image that has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    WithJsonSchema,
)

from builder import documents
from builder.classes.catalogue import Catalogue
from builder.classes.model import SIZE, ArchName, PackageName, Size, for_each_arch, schema_by_arch

FILE = "tests/offline.yaml"
UNIT_TYPES = ("automount", "mount", "path", "service", "slice", "socket", "swap", "target", "timer")
UNIT = rf"^[A-Za-z0-9:_.@\\-]+\.({'|'.join(UNIT_TYPES)})$"


def _inside(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path} must start with a slash: paths are those of the image")
    if {".", ".."} & set(path.split("/")):
        raise ValueError(f"{path} has a part that is . or ..; write the path without it")
    return path


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


def _as_list(patterns: object) -> object:
    """One regular expression stands for a list of one."""
    return (patterns,) if isinstance(patterns, str) else patterns


# A path in the image. Each part may have fnmatch's wildcards; "**" is any number of folders.
Glob = Annotated[str, AfterValidator(_inside)]
Regex = Annotated[str, AfterValidator(_compiles)]
Regexes = Annotated[
    tuple[Regex, ...],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Budget = Annotated[
    dict[ArchName, Size],
    BeforeValidator(for_each_arch),
    WithJsonSchema(schema_by_arch(f"^{SIZE.pattern}$")),
]
Unit = Annotated[str, StringConstraints(pattern=UNIT)]
Account = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]*$")]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]


class OfflineFile(BaseModel):
    """What one class promises of the tree; the checks compare it before the disk is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "contains": "{/etc/x: '^a=1$'}",
        "lacks": "{/etc/x: '^a=2$'}",
    }

    present: tuple[Glob, ...] = ()
    """Paths or patterns, each of which must match something."""
    absent: tuple[Glob, ...] = ()
    """Paths or patterns that must match nothing."""
    contains: dict[Glob, Regexes] = {}
    """Regular expressions, lines being lines: each file of that path or pattern must match them."""
    lacks: dict[Glob, Regexes] = {}
    """Regular expressions that no file of that path or pattern may match."""
    enabled: tuple[Unit, ...] = ()
    """systemd units that must be there and enabled."""
    masked: tuple[Unit, ...] = ()
    """systemd units that must be masked."""
    without_packages: tuple[PackageName, ...] = ()
    """Packages that must not be installed."""
    setuid: tuple[Glob, ...] = ()
    """Files that may run with another's rights: setuid, setgid or with capabilities."""
    users: tuple[Account, ...] = ()
    """Accounts that the class's packages make, beyond those that are reviewed for all images."""
    installed_size_max: Budget = {}
    """What the tree may take on disk, such as 700MiB, for all architectures or for each; the last
    class that says so counts."""
    command_line: tuple[Word, ...] = ()
    """Words that the kernel's command line must have."""


@dataclass(frozen=True)
class ClassPromise:
    """What one class promises of a tree: the `packages` of class.yaml, and tests/offline.yaml.

    The fields are those of `OfflineFile`; `installed_size_max` is in bytes, by architecture.
    """

    name: str
    packages: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    contains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    enabled: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    without_packages: tuple[str, ...] = ()
    setuid: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    installed_size_max: Mapping[str, int] = field(default_factory=dict)
    command_line: tuple[str, ...] = ()


def read(folder: Path) -> OfflineFile:
    """What the overlay in `folder` promises, nothing if it has no such file; raises UsageError."""
    path = folder / FILE
    if not path.is_file():
        return OfflineFile()
    return parse_text(documents.read_text(path, missing="is it yours to read?"), path)


def parse_text(text: str, path: Path) -> OfflineFile:
    """The promises in a document; `path` is for messages. Raises UsageError only."""
    return documents.parse(OfflineFile, text, path, "schema/offline.schema.json")


def promises(catalogue: Catalogue, names: Iterable[str]) -> tuple[ClassPromise, ...]:
    """What these classes promise, in their order; raises UsageError for a file that is wrong."""
    found = []
    for name in names:
        for overlay in catalogue.overlays([name]):
            known = catalogue.classes.get(name)
            own = known is not None and known.overlay is overlay
            packages = known.packages if known is not None and own else ()
            found.append(ClassPromise(name, packages, **dict(read(overlay.path))))
    return tuple(found)
