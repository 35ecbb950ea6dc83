# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made for a publication and goes beside an image: reports of its checks and boots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from builder.builds import Built
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.store.reports import reports

# Each makes files, by name, from a manifest and the folder of its build.
MAKERS: Final[tuple[Callable[[Manifest, Path], Mapping[str, bytes]], ...]] = (reports,)


def make(built: Built, folder: Path) -> tuple[Path, ...]:
    """The files beside an image, made in `folder`; what the build has by itself is not made."""
    manifest = document.load(built.manifest)
    made = []
    for maker in MAKERS:
        for name, content in maker(manifest, built.folder).items():
            if not (built.folder / name).exists():
                (folder / name).write_bytes(content)
                made.append(folder / name)
    return tuple(made)
