# SPDX-License-Identifier: GPL-2.0-or-later
"""Pull without a facility: verified files in a plain folder, laid out as builds are in `out/`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.builds import Builds, Built
from builder.errors import InfrastructureError, UsageError
from builder.facility import pulling
from builder.facility.asking import Source
from builder.facility.deltas import Bases
from builder.facility.refs import Ref
from builder.imports.offers import Offer
from builder.progress import Progress
from builder.store import fetching

# Behind the serial, with a dot in front, while it is brought: no build has such a name.
INCOMING = ".incoming"


@dataclass(frozen=True)
class Fetched:
    """A build in a plain folder, since now or before."""

    offer: Offer
    built: Built
    answer: Literal["pulled", "unchanged"]
    transferred: int = 0
    how: str = ""


def pull(
    sources: Sequence[Source], ref: Ref, formats: Sequence[str], into: Path, progress: Progress
) -> Fetched:
    """Bring the build that a reference means to INTO/NAME/SERIAL, whole and verified.

    UsageError where another build is in that folder.
    """
    progress.stage(f"Looking for {ref}")
    offers, remotes = pulling.find(sources, ref, ())
    offer = offers[0]
    built = Built(offer.name, offer.serial, into / offer.name / offer.serial)
    images = pulling.wanted(remotes[offer.remote], offer, formats)
    if built.folder.exists():
        _check(built, offer, [image.name for image in images])
        return Fetched(offer, built, "unchanged")
    draft = built.folder.with_name(f".{offer.serial}{INCOMING}")
    brought = pulling.bring(remotes[offer.remote], offer, formats, draft, progress)
    try:
        # fetch() has the files on the disk; the folder's names must be, too.
        _settle(draft)
        draft.rename(built.folder)
        _settle(built.folder.parent)
        draft.with_name(f"{draft.name}.lock").unlink(missing_ok=True)
    except OSError as error:
        raise InfrastructureError(
            f"{built.folder} cannot be made: {error.strerror}",
            hint="is it yours? call it again: nothing is fetched twice",
        ) from error
    return Fetched(offer, built, "pulled", brought.transferred, brought.how)


def bases(into: Path, name: str) -> Bases:
    """The images of earlier pulls, or of builds, of a series in a plain folder."""
    builds = {built.serial: built for built in Builds(into).of(name)}

    def find(serial: str, form: str) -> Path | None:
        built = builds.get(serial)
        path = built.file(f".{form}") if built else None
        return path if path is not None and path.is_file() else None

    return find


def _check(built: Built, offer: Offer, images: Sequence[str]) -> None:
    """Raise UsageError unless the folder has just the build that is offered, in these formats."""
    missing = [name for name in images if not (built.folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{built.folder} is there without {missing[0]}",
            hint="give another folder with --into, or move it away",
        )
    manifest = offer.build.manifest if offer.build else None
    if manifest is not None and not fetching.is_file(built.folder / manifest.name, manifest):
        raise UsageError(
            f"{built.folder} is there, and is not the {offer} that {offer.remote} has",
            hint="give another folder with --into, or move it away",
        )


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
