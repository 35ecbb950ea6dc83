# SPDX-License-Identifier: GPL-2.0-or-later
"""The folders that bring FAI classes: the project's own, and those of overlays from outside.

A folder with `class.yaml` is a class. In an overlay from outside, one without adds files to the
class that it is named after; what it replaces is in its `overlay.yaml`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from builder import documents
from builder.classes.model import CLASS_NAME, LAYOUT, ConfigPath
from builder.classes.model import FILE as CLASS_FILE
from builder.errors import UsageError
from builder.sites.outside import CLASSES, Outside

FOLDER = CLASSES
ADDITION_FILE = "overlay.yaml"
SCHEMA = "schema/overlay.schema.json"


@dataclass(frozen=True)
class Overlay:
    """A folder that brings one FAI class, or adds files to one, in FAI's layout.

    `name` is the class, with "LABEL/" before it if an overlay from outside brings the folder.
    `replaces` are the paths in the config space that its files take from others.
    """

    name: str
    path: Path
    replaces: tuple[str, ...] = ()

    @property
    def fai_class(self) -> str:
        """The FAI class that its files are for."""
        return self.name.rpartition("/")[2]

    @property
    def is_addition(self) -> bool:
        """Whether it adds to a class that another folder brings."""
        return "/" in self.name and not os.path.lexists(self.path / CLASS_FILE)


class AdditionFile(BaseModel):
    """What a folder says that adds files to a class."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    api_version: Annotated[Literal["fai-forge/v1"], Field(alias="apiVersion")] = "fai-forge/v1"
    """The version of this document."""
    replaces: tuple[ConfigPath, ...] = ()
    """Files of others, by their path in the config space, whose place files of this folder take."""


def own_overlays(root: Path) -> tuple[Overlay, ...]:
    """The overlays of a project: each folder in its `classes/`."""
    folder = root / FOLDER
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: there is no such folder", hint="run this in a checkout of the project"
        )
    return tuple(Overlay(each.name, each) for each in _folders(folder))


def outside_overlays(outside: Outside) -> tuple[Overlay, ...]:
    """The overlays that one from outside brings: each folder in its `classes/`.

    Nothing in them leads out of it: a UsageError names the symlink.
    """
    found = []
    for folder in _folders(outside.path / FOLDER):
        if re.fullmatch(CLASS_NAME, folder.name) is None:
            raise UsageError(
                f"{folder}: this is no name of a class",
                hint="a class is called by capitals, digits and _, such as OUR_ROLE",
            )
        _check_inside(outside, folder)
        found.append(Overlay(f"{outside.label}/{folder.name}", folder))
    return tuple(found)


def addition(overlay: Overlay) -> Overlay:
    """The same with what its `overlay.yaml` says, if it has one."""
    path = overlay.path / ADDITION_FILE
    if not path.exists():
        return overlay
    text = documents.read_text(path, missing="mend or remove it")
    return replace(overlay, replaces=documents.parse(AdditionFile, text, path, SCHEMA).replaces)


def _folders(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith((".", "__")):
            yield entry


def _check_inside(outside: Outside, folder: Path) -> None:
    """What is read here, rather than merged, is the overlay's own; merging looks at the rest."""
    merged = {folder / name for name in LAYOUT}
    for path in (folder, *_below(folder, merged)):
        if path.is_symlink() and not path.resolve().is_relative_to(outside.path):
            raise UsageError(
                f"{path}: the symlink leads out of the overlay {outside.label}",
                hint="an overlay is whole by itself: put the file there",
            )


def _below(folder: Path, left_out: Iterable[Path]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path in left_out and not path.is_symlink():
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path, ())
