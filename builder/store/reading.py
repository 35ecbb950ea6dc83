# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a store: nothing is believed but the signed index, and what its digests vouch for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from builder import names
from builder.errors import InfrastructureError, UsageError
from builder.manifest import document
from builder.manifest.imported import Document
from builder.manifest.model import Manifest
from builder.manifest.parts import API_VERSION, FileName, Sha256
from builder.store import fetching
from builder.store.index import KIND, NAME, SIGNED, Build, Digest, SeriesEntry, StoreIndex, folder
from builder.store.keys import Verifies
from builder.store.memory import Memory
from builder.store.place import Readable

# Bytes. An index of 10,000 builds has 7 million.
LARGEST_INDEX: Final = 128 << 20
# Of a manifest or a list of digests: what a wrong index may make a reader take into memory.
LARGEST_DOCUMENT: Final = 64 << 20

FILE_NAME: Final = TypeAdapter(FileName)
SHA256: Final = TypeAdapter(Sha256)


def is_store(place: Readable) -> bool:
    """Whether there is an index, signed or not."""
    return any(place.size(name) is not None for name in (SIGNED, NAME))


def read(place: Readable, trusted: Verifies, memory: Memory, now: datetime) -> StoreIndex:
    """The index of a store, if it is signed, valid at `now`, and no older than one seen before.

    Raises InfrastructureError else, and where there is none.
    """
    index = signed(place, trusted, memory)
    if index is None:
        raise InfrastructureError(
            f"there is no index in {place.url}",
            hint=f"a store has {SIGNED}; is the address right, and was anything published?",
        )
    if now >= index.valid_until:
        raise InfrastructureError(
            f"the index of {place.url} was valid until {index.valid_until:%Y-%m-%d %H:%M} UTC",
            hint="fai-forge publish --refresh renews it, if nobody serves an old one",
        )
    memory.remember(place.url, index.serial)
    return index


def signed(place: Readable, trusted: Verifies, memory: Memory) -> StoreIndex | None:
    """The index, however old it is, if it is signed and not older than one seen before.

    None where there is none, and there was none before.
    """
    where = f"the index of {place.url}"
    seen = memory.seen(place.url)
    try:
        content = fetching.small(place, SIGNED, LARGEST_INDEX)
    except FileNotFoundError:
        if seen:
            raise _rolled_back(place, memory, f"the index of {place.url} is gone") from None
        return None
    index = parse(trusted.opened(content, where), where)
    if index.serial < seen:
        sentence = f"{where} has the serial {index.serial}, and {seen} was seen before"
        raise _rolled_back(place, memory, sentence)
    return index


def parse(text: bytes, where: str) -> StoreIndex:
    """An index from its text; `where` names it in errors (UsageError)."""
    try:
        return StoreIndex.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        version = _version(text)
        if version != API_VERSION:
            raise UsageError(
                f"{where}: it is no {KIND} of {API_VERSION}",
                hint="upgrade fai-forge, if a newer one wrote it",
            ) from error
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(
            f"{where}: {field}: {first['msg']}", hint="a newer fai-forge may have written it"
        ) from error


def series(index: StoreIndex, name: str) -> SeriesEntry | None:
    """The entry of a series; None where nothing of it was ever published."""
    return next((entry for entry in index.series if entry.name == name), None)


def newest(
    entry: SeriesEntry, channel: str | None = None, *, below: str | None = None
) -> Build | None:
    """The newest public build of a series, in one channel or in any, `below` a serial or at all."""
    found = [
        build
        for build in entry.builds
        if build.state == "public"
        and channel in (None, build.channel)
        and (below is None or names.serial_key(build.serial) < names.serial_key(below))
    ]
    return max(found, key=lambda build: names.serial_key(build.serial), default=None)


def manifest(place: Readable, name: str, build: Build) -> Manifest:
    """The manifest of a build, verified by the index, and of that build."""
    path = f"{folder(name, build)}/{build.manifest.name}"
    return parse_manifest(_text(place, path, build.manifest), name, build, f"{path} of {place.url}")


def described(place: Readable, name: str, build: Build) -> Document:
    """As `manifest`, and also of an image that others built."""
    path = f"{folder(name, build)}/{build.manifest.name}"
    text = _text(place, path, build.manifest)
    return parse_described(text, name, build, f"{path} of {place.url}")


def newest_built(place: Readable, entry: SeriesEntry) -> Manifest | None:
    """The manifest of the newest public build of a series that fai-forge built; None without one.

    Images of upstreams may have the same names, and nothing that is built follows from them.
    """
    build = newest(entry)
    while build is not None:
        found = described(place, entry.name, build)
        if isinstance(found, Manifest):
            return found
        build = newest(entry, below=build.serial)
    return None


def parse_manifest(text: str, name: str, build: Build, where: str) -> Manifest:
    """The manifest in a text that the index vouches for, if it is that of the build."""
    found = document.parse(text, where)
    _check_name(found, name, build, where)
    return found


def parse_described(text: str, name: str, build: Build, where: str) -> Document:
    """As `parse_manifest`, and also of an image that others built."""
    found = document.parse_any(text, where)
    _check_name(found, name, build, where)
    return found


def _check_name(found: Document, name: str, build: Build, where: str) -> None:
    if (found.name, found.serial) != (name, build.serial):
        raise InfrastructureError(
            f"{where} is the manifest of {found.name}-{found.serial}",
            hint="whoever published it made a mistake; do not use this build",
        )


def sums(place: Readable, name: str, build: Build) -> Mapping[str, str]:
    """The sha256 of each file of a build by its name, as its SHA256SUMS says.

    The list is verified by the index, so its files need no signature of their own.
    """
    path = f"{folder(name, build)}/{build.sums.name}"
    return parse_sums(_text(place, path, build.sums), path)


def parse_sums(text: str, where: str) -> Mapping[str, str]:
    """Names and digests out of GNU's form, DIGEST, two spaces, NAME; UsageError for other lines."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        digest, _, name = line.partition("  ")
        try:
            FILE_NAME.validate_python(name)
            SHA256.validate_python(digest)
        except ValidationError as error:
            raise UsageError(
                f"{where}, line {number}: a digest, two spaces and a file name are expected",
                hint="the file is damaged, or another program wrote it",
            ) from error
        if found.setdefault(name, digest) != digest:
            raise UsageError(
                f"{where}, line {number}: {name} stands there twice", hint="fetch it again"
            )
    return found


def _text(place: Readable, path: str, wanted: Digest) -> str:
    if wanted.size > LARGEST_DOCUMENT:
        raise InfrastructureError(
            f"{path} of {place.url} has {wanted.size} bytes, and may have {LARGEST_DOCUMENT}",
            hint="whoever published it made a mistake; do not use this build",
        )
    return fetching.content(place, path, wanted).decode(errors="replace")


def _version(text: bytes) -> object:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(head, dict) and head.get("kind") == KIND
    return head.get("apiVersion") if known else None


def _rolled_back(place: Readable, memory: Memory, sentence: str) -> InfrastructureError:
    return InfrastructureError(
        sentence,
        hint="a mirror is behind, or somebody serves an old store;"
        f" if this store was made anew, remove {memory.path(place.url)}",
    )
