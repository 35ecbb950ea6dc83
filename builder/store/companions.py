# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made for a publication, as files: all that goes beside an image."""

from __future__ import annotations

from pathlib import Path

from builder.builds import Built
from builder.manifest import document
from builder.manifest.changelog import ImageChangelog
from builder.store.beside import beside


def make(built: Built, folder: Path, changelog: ImageChangelog | None = None) -> tuple[Path, ...]:
    """The files beside an image, made in `folder`; what the build has by itself is not made."""
    made = []
    for name, content in beside(document.load(built.manifest), built.folder, changelog):
        if not (built.folder / name).exists():
            (folder / name).write_bytes(content)
            made.append(folder / name)
    return tuple(made)
