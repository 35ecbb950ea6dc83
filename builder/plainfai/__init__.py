# SPDX-License-Identifier: GPL-2.0-or-later
"""The config space of an image as a folder that FAI reads without this program.

To what a build merges, `space/` adds what a build says in other ways: which classes the image has,
and fall-backs for the variables that hooks and scripts want.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from builder.archive import sources
from builder.classes import Catalogue, ImageSpec
from builder.classes.model import FIRST, LAST
from builder.configspace import PROGRAM_MODE, ConfigSpace, merge
from builder.errors import UsageError

SPACE = Path(__file__).parent / "space"
CLASS_SCRIPT = "class/50-fai-forge"
SOURCES = "image.sources"


@dataclass(frozen=True)
class Written:
    """A config space on disk, and the files in it that are for plain FAI only."""

    config: ConfigSpace
    added: tuple[str, ...]


def write(base: Path, catalogue: Catalogue, spec: ImageSpec, folder: Path) -> Written:
    """Write the config space of an image into `folder`, which is new or empty."""
    config = merge(
        base,
        catalogue.overlays(spec.classes),
        folder,
        mtime=int(time.time()),
        settings=spec.settings,
    )
    texts = {
        CLASS_SCRIPT: _class_script(spec),
        SOURCES: sources.render(
            sources.image_sources(spec.name.distro, spec.codename, spec.sources)
        ),
        **_space(spec),
    }
    for name, text in texts.items():
        path = folder / name
        if path.exists():
            raise UsageError(
                f"{name} is there already, and `configspace` writes one of its own",
                hint="rename that of the class: no class needs a file of that name",
            )
        path.write_text(text, encoding="utf-8")
        if not name.endswith(".var") and name != SOURCES:
            path.chmod(PROGRAM_MODE)
    return Written(config, tuple(sorted(texts)))


def _class_script(spec: ImageSpec) -> str:
    """What `fai --new` runs to learn the classes; it puts DEFAULT and LAST around them itself."""
    classes = [name for name in spec.classes if name not in (FIRST, LAST)]
    return f"#!/bin/sh\n# The classes of {spec.name}.\necho {shlex.join(classes)}\n"


def _space(spec: ImageSpec) -> dict[str, str]:
    """The files of `space/`, with what is known of the image filled in."""
    words = {"@name@": str(spec.name), "@distro@": spec.name.distro}
    found = {}
    for path in sorted(SPACE.rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for word, value in words.items():
                text = text.replace(word, value)
            found[path.relative_to(SPACE).as_posix()] = text
    return found
