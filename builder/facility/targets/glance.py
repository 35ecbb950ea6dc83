# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenStack's image service as a target.

A new image is hidden and has its build's name until it was looked at. Then one request gives it the
series' name and shows it, and the next one takes the name from the old image and hides that. So by
its name there is always a good image, and only between these two requests there are two.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility.kinds import GlanceTarget, TargetEntry
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.facility.targets import items
from builder.facility.targets.glanceapi import Glance, Image
from builder.facility.targets.glanceproperties import PREFIX, describe
from builder.facility.targets.target import Finding, Held, Item, Placed
from builder.names import SERIAL, serial_key
from builder.progress import Progress

log = logging.getLogger(__name__)

TAG: Final = "fai-forge"
SENT, GOOD = "sent", "good"
# Seconds until an image must be active, and between two looks.
PATIENCE, PAUSE = 1800.0, 2.0
# The words that Glance has for our formats.
DISK_FORMATS: Final = {"qcow2": "qcow2", "qcow2-zlib": "qcow2", "raw": "raw", "vmdk": "vmdk",
                       "vhdx": "vhdx"}  # fmt: skip
# Digests that the local file is read for, by Glance's names of them.
DIGESTS: Final = ("md5", "sha512")


def open_target(name: str, entry: TargetEntry, site: Site) -> GlanceImages:
    """The target of a `facility.yaml` entry."""
    assert isinstance(entry, GlanceTarget)
    return GlanceImages(name, entry, site.facility.name, site.state)


@dataclass(frozen=True)
class GlanceImages:
    """The images of a project that a site put there; those of others are never touched."""

    name: str
    entry: GlanceTarget
    site: str
    state: Path
    open: Callable[[str], Glance] = Glance
    pause: Callable[[float], None] = time.sleep

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it takes, the best one first."""
        return self.entry.formats

    def check(self) -> tuple[Finding, ...]:
        """Whether one can log in, and make an image that is visible as wanted; it is removed."""
        subject = f"cloud {self.entry.cloud}"
        try:
            glance = self.open(self.entry.cloud)
            probe = glance.create(
                {"name": "fai-forge-probe", "visibility": self.entry.visibility, "os_hidden": True}
            )
            glance.delete(probe.id)
        except ForgeError as error:
            return (Finding(False, subject, error.message, error.hint),)
        sentence = f"images can be made ({self.entry.visibility}) and removed"
        return (Finding(True, subject, sentence),)

    def put(self, item: Item, progress: Progress) -> Placed:
        """Upload an image, compare what the service says of it, and then give it the series' name.

        The one that had the name is hidden; older ones beyond `keep` are removed.
        """
        items.refuse_format(item, self.formats, self.name)
        with alone(self.state, f"target-{self.name}"):
            described = describe(item, self.entry.keep, self.entry.properties)
            glance = self.open(self.entry.cloud)
            ours = [each for each in self._ours(glance) if each.fai_forge_name == item.name]
            self._refuse_foreign(glance, item.name)
            found = self._good(ours, item)
            # What was broken off cannot be gone on with: an image takes its content once.
            for each in ours:
                if each.fai_forge_state == SENT:
                    glance.delete(each.id)
            if found is None:
                digests = items.verify(item, progress, *DIGESTS)
                record = {
                    "name": items.label(item),
                    "visibility": "private",
                    "os_hidden": True,
                    "tags": [TAG],
                    "disk_format": DISK_FORMATS.get(item.format, item.format),
                    "container_format": "bare",
                    "min_disk": described.min_disk,
                    "min_ram": described.min_ram,
                    **described.properties,
                    **self._marks(item),
                }
                found = self._bring(glance, item, record, digests, progress)
            unchanged = self._is_current(found, item) and found in ours
            if not self._is_current(found, item):
                progress.stage(f"Giving {items.label(item)} its name in {self.entry.cloud}")
                found = glance.change(
                    found,
                    name=item.name,
                    os_hidden=False,
                    visibility=self.entry.visibility,
                    fai_forge_state=GOOD,
                )
            older = [each for each in ours if each.id != found.id and each.fai_forge_state == GOOD]
            retired = [self._retire(glance, each) for each in older]
            self._prune(glance, item.name, [found, *retired])
        return Placed("unchanged" if unchanged else "placed", found.id)

    def held(self) -> tuple[Held, ...]:
        """The site's images that were looked at."""
        glance = self.open(self.entry.cloud)
        ours = self._ours(glance)
        return _held(ours, glance.used() if ours else frozenset())

    def remove(self, held: Held) -> None:
        """Remove an image that is not current; UsageError if it may not be removed."""
        glance = self.open(self.entry.cloud)
        found = next((each for each in self._ours(glance) if each.id == held.reference), None)
        if found is None:
            return
        if found.name == found.fai_forge_name:
            raise UsageError(
                f"{found.name} is shown by its name in {self.entry.cloud}",
                hint="put another image first",
            )
        answer = "in use" if found.id in glance.used() else glance.delete(found.id)
        if answer != "gone":
            raise UsageError(
                f"{found.name} in {self.entry.cloud} is {answer}",
                hint="remove the servers and volumes that were made from it, or its protection",
            )

    def _ours(self, glance: Glance) -> tuple[Image, ...]:
        """The site's own images, the oldest first; others in the project may say they were ours."""
        found = glance.images(owner=glance.project, tag=TAG)
        mine = [
            each
            for each in found
            if each.owner == glance.project
            and each.fai_forge_site == self.site
            and SERIAL.fullmatch(each.fai_forge_serial)
        ]
        return tuple(sorted(mine, key=lambda each: serial_key(each.fai_forge_serial)))

    def _refuse_foreign(self, glance: Glance, name: str) -> None:
        """Raise UsageError where another image of the project has the series' name."""
        for each in glance.shown(name):
            if each.owner == glance.project and each.fai_forge_site != self.site:
                raise UsageError(
                    f"there is an image {name} in {self.entry.cloud}, and it is not ours",
                    hint="give it another name; it is not touched",
                )

    def _good(self, ours: Iterable[Image], item: Item) -> Image | None:
        """The image that an earlier call brought and looked at."""
        for each in ours:
            if each.fai_forge_state == GOOD and each.fai_forge_serial == item.serial:
                same_format = each.disk_format == DISK_FORMATS.get(item.format, item.format)
                if each.fai_forge_sha256 == item.sha256 and each.status == "active":
                    return each
                if same_format and each.fai_forge_sha256 != item.sha256:
                    raise UsageError(
                        f"{items.label(item)} in {self.entry.cloud} is another image",
                        hint="published builds never change; which store is this one of?",
                    )
        return None

    def _is_current(self, image: Image, item: Item) -> bool:
        return (
            image.name == item.name
            and not image.os_hidden
            and image.visibility == self.entry.visibility
            and image.fai_forge_state == GOOD
        )

    def _marks(self, item: Item) -> dict[str, str]:
        return {
            f"{PREFIX}site": self.site,
            f"{PREFIX}name": item.name,
            f"{PREFIX}serial": item.serial,
            f"{PREFIX}sha256": item.sha256,
            f"{PREFIX}channel": item.channel,
            f"{PREFIX}state": SENT,
        }

    def _bring(
        self,
        glance: Glance,
        item: Item,
        record: dict[str, object],
        digests: dict[str, str],
        progress: Progress,
    ) -> Image:
        """Upload an image that nobody sees; it is removed if it is not what was sent."""
        made = glance.create(record)
        try:
            progress.stage(f"Uploading {items.label(item)} to {self.entry.cloud}")
            glance.upload(made, item.path, progress)
            progress.stage(f"Verifying {items.label(item)} in {self.entry.cloud}")
            found = self._active(glance, made)
            wrong = _difference(glance, found, item, digests)
            if wrong:
                raise InfrastructureError(
                    f"{items.label(item)} in {self.entry.cloud} is not what was uploaded: {wrong}",
                    hint="it was removed there; call this again",
                )
        except InfrastructureError:
            # What cannot be removed now is removed by the next call.
            try:
                glance.delete(made.id)
            except InfrastructureError as error:
                log.warning("%s", error.message)
            raise
        return found

    def _active(self, glance: Glance, image: Image) -> Image:
        """The image once all of it is stored."""
        deadline = time.monotonic() + PATIENCE
        while (found := glance.show(image)).status in ("queued", "saving", "importing"):
            # After an upload, "queued" says that nothing arrived.
            if found.status == "queued" or time.monotonic() > deadline:
                break
            self.pause(PAUSE)
        return found

    def _retire(self, glance: Glance, image: Image) -> Image:
        """Take the series' name from an image, and hide it."""
        label = f"{image.fai_forge_name}-{image.fai_forge_serial}"
        if image.name == label and image.os_hidden:
            return image
        return glance.change(image, name=label, os_hidden=True)

    def _prune(self, glance: Glance, name: str, ours: Iterable[Image]) -> None:
        all_ = tuple(ours)
        if not items.superseded(_held(all_, frozenset()), name, self.entry.keep):
            return
        for each in items.superseded(_held(all_, glance.used()), name, self.entry.keep):
            answer = glance.delete(each.reference)
            if answer != "gone":
                log.info("%s: %s-%s stays, it is %s", self.name, name, each.serial, answer)


def _difference(glance: Glance, image: Image, item: Item, digests: dict[str, str]) -> str:
    """What is wrong with an image, by what the service says of it; empty if nothing is."""
    if image.status != "active":
        return f"its status is {image.status}"
    if image.size != item.size:
        return f"it has {image.size} bytes, and {item.size} were sent"
    known = {**digests, "sha256": item.sha256}
    expected = known.get(image.os_hash_algo or "")
    if expected and image.os_hash_value:
        return "" if image.os_hash_value == expected else f"its {image.os_hash_algo} differs"
    if image.checksum:
        return "" if image.checksum == known["md5"] else "its checksum differs"
    # A store of the cloud that computes none: only the content itself tells.
    return "" if glance.sha256(image) == item.sha256 else "its content differs"


def _held(ours: Iterable[Image], used: frozenset[str]) -> tuple[Held, ...]:
    return tuple(
        Held(
            each.fai_forge_name,
            each.fai_forge_serial,
            each.id,
            each.name == each.fai_forge_name and not each.os_hidden,
            each.id in used,
        )
        for each in ours
        if each.fai_forge_state == GOOD
    )
