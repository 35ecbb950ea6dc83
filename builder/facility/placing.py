# SPDX-License-Identifier: GPL-2.0-or-later
"""From a site's own store to the places where its images are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder.errors import ForgeError, UsageError
from builder.facility.site import LocalStore, Site
from builder.facility.targets import open as targets
from builder.facility.targets.target import Item, Target
from builder.progress import Progress
from builder.store import reading
from builder.store.index import Build


@dataclass(frozen=True)
class PutAt:
    """What became of a build at one target; `error` says why nothing did."""

    target: str
    answer: str = ""
    reference: str = ""
    error: str = ""


def open_target(name: str, site: Site) -> Target:
    """The target that a site calls so."""
    return targets.open_target(name, site.facility.targets[name], site)


def item(store: LocalStore, name: str, build: Build, formats: Sequence[str]) -> Item:
    """A build of the own store as a target takes it, in the first of its formats that is here."""
    by_format = {image.format: image for image in build.images}
    image = next((by_format[each] for each in formats if each in by_format), None)
    if image is None:
        raise UsageError(
            f"{name}-{build.serial} is here as {', '.join(by_format) or 'nothing'} only, and"
            f" {' or '.join(formats)} is wanted",
            hint="add the format to the series' row in facility.yaml: formats: [...]",
        )
    return Item(
        path=store.file(name, build, image),
        format=image.format,
        size=image.size,
        sha256=image.sha256,
        manifest=reading.described(store.place, name, build),
        channel=build.channel,
        secure_boot=build.secure_boot,
        tags=tuple(entry.tag for entry in build.tags),
    )


def put(site: Site, target: Target, name: str, build: Build, progress: Progress) -> PutAt:
    """Put a build where a target is; ForgeError leaves what was there before."""
    progress.stage(f"Putting {name}-{build.serial} to {target.name}")
    placed = target.put(item(site.store, name, build, target.formats), progress)
    return PutAt(target.name, placed.answer, placed.reference)


def put_all(
    site: Site, names: Sequence[str], name: str, build: Build, progress: Progress
) -> tuple[PutAt, ...]:
    """Put a build to several targets; one that fails does not keep it from the others."""
    found = []
    for each in names:
        try:
            found.append(put(site, open_target(each, site), name, build, progress))
        except ForgeError as error:
            said = "; ".join(filter(None, (error.message, error.hint)))
            found.append(PutAt(each, "failed", error=said))
    return tuple(found)
