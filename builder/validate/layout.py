# SPDX-License-Identifier: GPL-2.0-or-later
"""Files in places where FAI never looks, or for another class than their folder's.

FAI passes over what it does not know without a word, so a file with a wrong name is a file that
is missing in the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.classes import Catalogue, Overlay
from builder.classes.model import FIRST, LAST, LAYOUT
from builder.configspace import EXECUTABLE, NOT_FAIS, children
from builder.names import did_you_mean
from builder.validate.finding import Finding

CHECK = "layout"
# FAI's tasks (fai-guide, "The tasks"): a hook is named after the one that it runs before.
TASKS = (
    *("confdir", "setup", "defclass", "defvar", "action", "install", "dirinstall", "softupdate"),
    *("partition", "mountdisks", "extrbase", "debconf", "repository", "updatebase", "instsoft"),
    *("configure", "tests", "finish", "chboot", "savelog", "faiend"),
)
NAME = r"(?P<of>[A-Z][A-Z0-9_]*)"


@dataclass(frozen=True)
class Place:
    """What FAI reads in one of its folders: a pattern of paths below it, and how to say that."""

    reads: re.Pattern[str]
    hint: str


PLACES = {
    "class": Place(
        re.compile(rf"{NAME}\.var|[0-9][0-9][^/]*"),
        "class/NAME.var sets variables, class/NN-name is a script that prints classes",
    ),
    "debconf": Place(
        re.compile(rf"{NAME}(?:/.+)?"), "answers to debconf's questions are in debconf/NAME"
    ),
    "files": Place(
        re.compile(rf".+/{NAME}(?:\.tar(?:\.[a-z0-9]+)?)?|.+/(?:file-modes|preinst|postinst)"),
        "a file for /etc/motd is files/etc/motd/NAME: its name becomes a folder",
    ),
    "hooks": Place(
        re.compile(rf"(?:{'|'.join(TASKS)})\.{NAME}(?:\.sh)?|subroutines"),
        "a hook is hooks/TASK.NAME, such as hooks/instsoft.NAME",
    ),
    "package_config": Place(
        re.compile(rf"{NAME}(?:\.gpg|\.asc)?"), "packages are listed in package_config/NAME"
    ),
    "scripts": Place(
        re.compile(rf"{NAME}(?:/[0-9][0-9][^/]*)?"),
        "a script is scripts/NAME/NN-name, with two digits in front",
    ),
}
# A file may be narrowed down to images of these kinds; what is for others belongs to them.
NARROWING = ("distro", "release", "arch")


def check(overlay: Overlay, catalogue: Catalogue) -> Iterator[Finding]:
    """The findings for one folder."""
    for child in children(overlay.path):
        if child.name in NOT_FAIS:
            continue
        if child.name not in LAYOUT or not child.is_dir():
            yield Finding(
                CHECK,
                child,
                f"FAI does not know {child.name}{did_you_mean(child.name, LAYOUT)}",
                f"its folders are {', '.join(LAYOUT)}",
            )
            continue
        for path in _files(child):
            yield from _check_file(overlay, catalogue, path)


def _files(folder: Path) -> Iterator[Path]:
    for child in children(folder):
        if child.is_dir() and not child.is_symlink():
            yield from _files(child)
        else:
            yield child


def _check_file(overlay: Overlay, catalogue: Catalogue, path: Path) -> Iterator[Finding]:
    folder, _, below = path.relative_to(overlay.path).as_posix().partition("/")
    place = PLACES[folder]
    hint = place.hint.replace("NAME", overlay.fai_class)
    found = place.reads.fullmatch(below)
    if found is None:
        yield Finding(CHECK, path, f"FAI never reads this file{_nearest(folder, below)}", hint)
        return
    yield from _check_class(overlay, catalogue, path, found["of"], hint)
    if EXECUTABLE.fullmatch(f"{folder}/{below}") and not path.is_symlink():
        yield from _check_program(path)


def _nearest(folder: str, below: str) -> str:
    """What may have been meant by the name of a hook."""
    return did_you_mean(below.partition(".")[0], TASKS) if folder == "hooks" else ""


def _check_class(
    overlay: Overlay, catalogue: Catalogue, path: Path, of: str | None, hint: str
) -> Iterator[Finding]:
    """The file is for the folder's own class, for all images, or for some of its images."""
    if of in (None, overlay.fai_class, FIRST, LAST):
        return
    other = catalogue.classes.get(str(of))
    if other is None:
        near = did_you_mean(str(of), [overlay.fai_class, *catalogue.classes])
        yield Finding(CHECK, path, f"there is no class {of}{near}", hint)
    elif other.kind not in NARROWING and path.relative_to(overlay.path).as_posix() not in (
        overlay.replaces
    ):
        yield Finding(
            CHECK,
            path,
            f"this is a file of the class {of}, in the folder of {overlay.fai_class}",
            f"move it to {other.overlay.path}, or call it {overlay.fai_class}",
        )


def _check_program(path: Path) -> Iterator[Finding]:
    """FAI runs it: it is executable, and says what it is run by."""
    if not path.stat().st_mode & 0o100:
        yield Finding(
            CHECK,
            path,
            "this is not executable, and FAI would silently skip it",
            f"chmod +x {path}",
        )
    # FAI reads these into its own shell.
    if path.suffix == ".sh" or path.name == "subroutines":
        return
    with path.open("rb") as file:
        if file.read(2) != b"#!":
            yield Finding(
                CHECK, path, "nothing says what runs this", "let #!/bin/bash be its first line", 1
            )
