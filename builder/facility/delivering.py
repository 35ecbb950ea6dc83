# SPDX-License-Identifier: GPL-2.0-or-later
"""Bringing a build of the site's own store to its targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder.errors import ForgeError, InfrastructureError
from builder.facility.doors import DOORS, Doors
from builder.facility.site import Site
from builder.facility.targets.target import Item
from builder.progress import Progress
from builder.store import reading
from builder.store.index import Build


@dataclass(frozen=True)
class Delivery:
    """What became of a build at one target; `error` is empty where it went well."""

    target: str
    answer: str
    reference: str = ""
    error: str = ""


def deliver(
    site: Site,
    name: str,
    build: Build,
    targets: Sequence[str],
    progress: Progress,
    doors: Doors = DOORS,
) -> tuple[Delivery, ...]:
    """Bring a build to each of the targets; one that fails keeps no other from being tried."""
    made = []
    for each in targets:
        progress.stage(f"Bringing {name}-{build.serial} to {each}")
        try:
            target = doors.target(each, site.facility.targets[each], site)
            placed = target.put(_item(site, name, build, target.formats, each), progress)
            made.append(Delivery(each, placed.answer, placed.reference))
        except ForgeError as error:
            said = "; ".join(filter(None, (error.message, error.hint)))
            made.append(Delivery(each, "failed", error=said))
    return tuple(made)


def _item(site: Site, name: str, build: Build, formats: Sequence[str], target: str) -> Item:
    """The image of a build in the format that a target likes best."""
    by_format = {image.format: image for image in build.images}
    image = next((by_format[each] for each in formats if each in by_format), None)
    if image is None:
        raise InfrastructureError(
            f"{name}-{build.serial} is here as {', '.join(by_format) or 'nothing'}, and {target}"
            f" takes {', '.join(formats)}",
            hint="keep one of these formats here",
        )
    store = site.store
    return Item(
        path=store.file(name, build, image),
        format=image.format,
        size=image.size,
        sha256=image.sha256,
        manifest=reading.described(store.place, name, build),
        channel=build.channel,
        secure_boot=build.secure_boot,
        tags=tuple(each.tag for each in build.tags),
    )
