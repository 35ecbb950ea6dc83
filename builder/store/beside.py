# SPDX-License-Identifier: GPL-2.0-or-later
"""What is published beside a build's own files.

All of it follows from the manifest, the changelog and the names of the other files: who publishes
the same build again makes the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from builder.manifest import cyclonedx, spdx
from builder.manifest.changelog import ImageChangelog
from builder.manifest.changelog_markdown import markdown
from builder.manifest.model import Manifest
from builder.manifest.parts import FileName
from builder.store import incus_metadata, readme
from builder.store.incus_metadata import ROOTS
from builder.store.reports import reports

DECISION_SUFFIX: Final = ".decision.json"
CHANGELOG_SUFFIX: Final = ".changelog"


def beside(
    manifest: Manifest, folder: Path, changelog: ImageChangelog | None = None
) -> list[tuple[FileName, bytes]]:
    """The files to add to a build, by name; `changelog` is that since the last publication.

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
    if changelog is not None:
        found += changes(build, changelog)
    metadata = incus_tarball(manifest)
    if metadata is not None:
        found.append((f"{build}{incus_metadata.SUFFIX}", metadata))
    there = {path.name for path in folder.iterdir()} - {readme.NAME}
    names = sorted(there.union(name for name, _ in found))
    return [*found, (readme.NAME, readme.render(manifest, names))]


def changes(build: str, changelog: ImageChangelog) -> list[tuple[FileName, bytes]]:
    """A changelog as files beside a build, for programs and for people."""
    document = changelog.model_dump_json(by_alias=True, indent=2) + "\n"
    lines = "\n".join(markdown(changelog)) + "\n"
    return [
        (f"{build}{CHANGELOG_SUFFIX}.json", document.encode()),
        (f"{build}{CHANGELOG_SUFFIX}.md", lines.encode()),
    ]


def incus_tarball(manifest: Manifest) -> bytes | None:
    """What Incus and LXD read beside the images; None where they can start from none of them."""
    usable = any(file.format in ROOTS for file in manifest.files)
    return incus_metadata.tarball(manifest) if usable else None
