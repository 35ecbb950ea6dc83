# SPDX-License-Identifier: GPL-2.0-or-later
"""The image store of an Incus server as a target, by Incus' own client.

The server knows an image by the digest of what it received, so what it lists is what was sent. The
series' name is an alias, which one request moves from the old image to the new one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility.kinds import IncusTarget, TargetEntry
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.facility.targets import items
from builder.facility.targets.target import Finding, Held, Item, Placed
from builder.names import SERIAL
from builder.progress import Progress
from builder.run import CommandError, needs, run
from builder.store import incus_metadata

# What the client looks at; nothing else of the environment reaches it.
VARIABLES: Final = ("INCUS_CONF", "INCUS_DIR", "INCUS_SOCKET")
# Seconds for an answer; an import moves the whole image.
ANSWER, IMPORT = 120.0, 7200.0
# Our own properties of an image: they say which one is whose.
PREFIX: Final = "fai-forge."
# An alias is of one image: that of a container is another one than that of a virtual machine.
ALIASES: Final = {"qcow2": "{}", "rootfs.tar.xz": "{}/container"}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Alias(_Answer):
    """A name of an image."""

    name: str


class Image(_Answer):
    """An image as the server lists it."""

    fingerprint: str
    properties: dict[str, str] = {}
    aliases: tuple[Alias, ...] | None = None
    cached: bool = False

    def ours(self, word: str) -> str:
        """One of our own properties; empty for images of others."""
        return self.properties.get(PREFIX + word, "")


class Instance(_Answer):
    """An instance, and what is known of where it came from."""

    config: dict[str, str] | None = None


IMAGES: Final = TypeAdapter(tuple[Image, ...])
INSTANCES: Final = TypeAdapter(tuple[Instance, ...])


def open_target(name: str, entry: TargetEntry, site: Site) -> Incus:
    """The target of a `facility.yaml` entry."""
    assert isinstance(entry, IncusTarget)
    return Incus(name, entry, site.facility.name, site.state)


@dataclass(frozen=True)
class Incus:
    """The images that a site put into a project of a server; those of others are never touched."""

    name: str
    entry: IncusTarget
    site: str
    state: Path

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it takes, the best one first."""
        return self.entry.formats

    def check(self) -> tuple[Finding, ...]:
        """Whether the server lists its images; only an import tells whether one may import."""
        subject = f"Incus {self._where}"
        try:
            found = self._images()
        except ForgeError as error:
            return (Finding(False, subject, error.message, error.hint),)
        return (Finding(True, subject, f"it lists {len(found)} images"),)

    def put(self, item: Item, progress: Progress) -> Placed:
        """Import an image, look for what arrived, and then move the series' alias to it.

        Older ones beyond `keep` are removed, unless an instance was made from them.
        """
        items.refuse_format(item, self.formats, self.name)
        if item.format not in ALIASES:
            raise UsageError(
                f"Incus starts nothing from {item.format}",
                hint=f"formats that it can have: {', '.join(ALIASES)}",
            )
        alias = ALIASES[item.format].format(item.name)
        with alone(self.state, f"target-{self.name}"):
            images = self._images()
            before = self._named(images, alias)
            if before is not None and not self._is_ours(before):
                raise UsageError(
                    f"there is an image {alias} in {self._where}, and it is not ours",
                    hint="give it another alias; it is not touched",
                )
            found = self._find(images, item)
            unchanged = found is not None and found == before
            if found is None:
                items.verify(item, progress)
                found = self._bring(images, item, progress)
            if not unchanged:
                self._point(alias, found.fingerprint, moves=before is not None)
            self._prune(item)
        return Placed("unchanged" if unchanged else "placed", found.fingerprint)

    def held(self) -> tuple[Held, ...]:
        """The site's images."""
        ours = [image for image in self._images() if self._is_ours(image)]
        return _held(ours, self._used() if ours else frozenset())

    def remove(self, held: Held) -> None:
        """Remove an image that is not current; UsageError if an instance was made from it."""
        found = next((each for each in self.held() if each.reference == held.reference), None)
        if found is None:
            return
        if found.current or found.in_use:
            raise UsageError(
                f"{found.name}-{found.serial} in {self._where} is"
                f" {'shown by its name' if found.current else 'in use'}",
                hint="put another image first, and remove the instances that were made from it",
            )
        self._delete(found.reference)

    @property
    def _where(self) -> str:
        return f"{self.entry.remote}:{self.entry.project}"

    def _images(self) -> tuple[Image, ...]:
        said = self._client("image", "list", f"{self.entry.remote}:", "--format", "json")
        found: tuple[Image, ...] = self._parsed(IMAGES, said)
        return found

    def _is_ours(self, image: Image) -> bool:
        serial = SERIAL.fullmatch(image.ours("serial"))
        return image.ours("site") == self.site and serial is not None

    def _named(self, images: Iterable[Image], alias: str) -> Image | None:
        for image in images:
            if any(each.name == alias for each in image.aliases or ()):
                return image
        return None

    def _find(self, images: Iterable[Image], item: Item) -> Image | None:
        """The image that an earlier call brought."""
        wanted = (item.name, item.serial, item.sha256)
        for image in images:
            found = (image.ours("name"), image.ours("serial"), image.ours("sha256"))
            if self._is_ours(image) and found == wanted:
                return image
        return None

    def _bring(self, images: Iterable[Image], item: Item, progress: Progress) -> Image:
        """Import an image, and look whether the server has just that."""
        metadata = incus_metadata.tarball(item.manifest)
        wanted = incus_metadata.fingerprint(metadata, item.path)
        if any(image.fingerprint == wanted for image in images):
            raise UsageError(
                f"{items.label(item)} is in {self._where} already, and not by us",
                hint=f"incus image delete {self.entry.remote}:{wanted[:12]}, and call this again",
            )
        marks = {
            "site": self.site,
            "name": item.name,
            "serial": item.serial,
            "sha256": item.sha256,
            "format": item.format,
            "channel": item.channel,
        }
        progress.stage(f"Importing {items.label(item)} into {self._where}")
        with tempfile.TemporaryDirectory(prefix="fai-forge-incus-") as folder:
            beside = Path(folder) / f"{items.label(item)}{incus_metadata.SUFFIX}"
            beside.write_bytes(metadata)
            self._client(
                *("image", "import", str(beside), str(item.path.absolute())),
                *(f"{self.entry.remote}:", "--quiet"),
                *(f"{PREFIX}{word}={text}" for word, text in marks.items()),
                timeout=IMPORT,
            )
        progress.stage(f"Verifying {items.label(item)} in {self._where}")
        found = next((each for each in self._images() if each.fingerprint == wanted), None)
        if found is None or not self._is_ours(found):
            raise InfrastructureError(
                f"{self._where} does not list {items.label(item)} as {wanted[:12]}",
                hint="the alias was not moved; look at incus image list",
            )
        return found

    def _point(self, alias: str, fingerprint: str, *, moves: bool) -> None:
        """Let an alias mean another image, at once."""
        path = "/1.0/images/aliases"
        body: dict[str, str] = {"target": fingerprint, "description": ""}
        if moves:
            path = f"{path}/{quote(alias, safe='')}"
        else:
            body["name"] = alias
        url = f"{self.entry.remote}:{path}?project={quote(self.entry.project, safe='')}"
        method = "PUT" if moves else "POST"
        self._query("query", "--request", method, "--data", json.dumps(body), url)

    def _prune(self, item: Item) -> None:
        same = [
            image
            for image in self._images()
            if self._is_ours(image) and image.ours("format") == item.format
        ]
        if not items.superseded(_held(same, frozenset()), item.name, self.entry.keep):
            return
        for each in items.superseded(_held(same, self._used()), item.name, self.entry.keep):
            self._delete(each.reference)

    def _delete(self, fingerprint: str) -> None:
        self._client("image", "delete", f"{self.entry.remote}:{fingerprint}")

    def _used(self) -> frozenset[str]:
        """What instances were made from, those of other projects among them: they share images."""
        said = self._query("list", f"{self.entry.remote}:", "--all-projects", "--format", "json")
        found: tuple[Instance, ...] = self._parsed(INSTANCES, said)
        return frozenset((each.config or {}).get("volatile.base_image", "") for each in found)

    def _client(self, *arguments: str, timeout: float = ANSWER) -> str:
        return self._query(*arguments, "--project", self.entry.project, timeout=timeout)

    def _query(self, *arguments: str, timeout: float = ANSWER) -> str:
        try:
            return _incus(*arguments, timeout=timeout)
        except CommandError as error:
            raise InfrastructureError(
                f"Incus does not do this ({self._where}): incus {' '.join(arguments[:2])}",
                hint=error.done.output.strip() or "is its server at work, and may you use it?",
            ) from error

    def _parsed(self, adapter: TypeAdapter[Any], text: str) -> Any:
        try:
            return adapter.validate_json(text)
        except ValidationError as error:
            raise InfrastructureError(
                f"the incus client says nothing that is understood about {self._where}",
                hint="is it of version 6 or newer?",
            ) from error


@needs("incus", package="incus-client", purpose="put images into Incus", optional=True)
def _incus(*arguments: str, timeout: float) -> str:
    env = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return run(["incus", *arguments], env=env, timeout=timeout, capture=True).output


def _alias_of(image: Image) -> str:
    """The alias that means an image, or would."""
    return ALIASES.get(image.ours("format"), "{}").format(image.ours("name"))


def _held(ours: Iterable[Image], used: frozenset[str]) -> tuple[Held, ...]:
    return tuple(
        Held(
            image.ours("name"),
            image.ours("serial"),
            image.fingerprint,
            any(each.name == _alias_of(image) for each in image.aliases or ()),
            image.fingerprint in used,
        )
        for image in ours
    )
