# SPDX-License-Identifier: GPL-2.0-or-later
"""What is published beside a build's own files, and what the index says of its images.

All of it follows from the manifest, the images and the names of the other files: who publishes the
same build again makes the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from builder.manifest import cyclonedx, spdx
from builder.manifest.model import Manifest
from builder.manifest.parts import FileName
from builder.store import incus_metadata, readme
from builder.store.incus_metadata import ROOTS
from builder.store.index import Image
from builder.store.reports import reports

DECISION_SUFFIX: Final = ".decision.json"


def beside(manifest: Manifest, folder: Path) -> list[tuple[FileName, bytes]]:
    """The files to add to a build, by name, none of which is in its folder yet.

    Call it when everything else is in the folder: the README, the last of them, lists the rest.
    """
    build = f"{manifest.name}-{manifest.serial}"
    found: list[tuple[FileName, bytes]] = [
        (f"{build}{spdx.SUFFIX}", spdx.render(manifest)),
        (f"{build}{cyclonedx.SUFFIX}", cyclonedx.render(manifest)),
        *reports(manifest, folder).items(),
    ]
    if manifest.decision is not None:
        text = manifest.decision.model_dump_json(by_alias=True, indent=2) + "\n"
        found.append((f"{build}{DECISION_SUFFIX}", text.encode()))
    metadata = incus_tarball(manifest)
    if metadata is not None:
        found.append((f"{build}{incus_metadata.SUFFIX}", metadata))
    there = {path.name for path in folder.iterdir()} - {readme.NAME}
    names = sorted(there.union(name for name, _ in found))
    return [*found, (readme.NAME, readme.render(manifest, names))]


def incus_tarball(manifest: Manifest) -> bytes | None:
    """What Incus and LXD read beside the images; None where they can start from none of them."""
    usable = any(file.format in ROOTS for file in manifest.files)
    return incus_metadata.tarball(manifest) if usable else None


def index_images(manifest: Manifest, folder: Path) -> tuple[Image, ...]:
    """The images of a build as the index has them; those that Incus and LXD take are read once."""
    metadata = incus_tarball(manifest)
    return tuple(
        Image(
            name=file.name,
            size=file.size,
            sha256=file.sha256,
            format=file.format,
            fingerprint=(
                incus_metadata.fingerprint(metadata, folder / file.name)
                if metadata is not None and file.format in ROOTS
                else None
            ),
        )
        for file in manifest.files
    )
