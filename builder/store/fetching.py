# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a store, brought to this machine: whole, of the right size and digest, or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from builder.downloads import partial
from builder.downloads import pieces as reading
from builder.downloads.pieces import AGAIN, PIECE
from builder.downloads.pieces import WrongContent as WrongContent
from builder.errors import InfrastructureError
from builder.store.index import Digest
from builder.store.place import OnBytes, Readable


class Absent(InfrastructureError):
    """A place has not the file that its index describes."""


def fetch(
    place: Readable, path: str, wanted: Digest, target: Path, on_bytes: OnBytes = lambda _: None
) -> None:
    """Bring a file of a store to `target`, where it appears whole and verified, or not at all.

    What a fetch that was broken off left is kept and gone on from; `on_bytes` is told of it, too.
    Never more than the expected bytes are written. A `target` that is there must be the same file.
    """
    if target.exists():
        if not _is(target, wanted):
            raise InfrastructureError(
                f"{target} is there, and is not what the store has",
                hint="move it away; nothing is ever overwritten",
            )
        on_bytes(wanted.size)
        return
    with partial.writing(target), partial.held(target) as (unfinished, file):
        try:
            _complete(place, path, wanted, file, on_bytes)
        except WrongContent:
            unfinished.unlink()
            raise
        file.flush()
        os.fsync(file.fileno())
        unfinished.replace(target)


def is_file(path: Path, wanted: Digest) -> bool:
    """Whether a file of this machine is the one that is wanted, by all of its bytes."""
    return path.is_file() and path.stat().st_size == wanted.size and _is(path, wanted)


def content(place: Readable, path: str, wanted: Digest) -> bytes:
    """A small file of a store, verified; InfrastructureError if it is another or not there."""
    try:
        found = small(place, path, wanted.size)
    except FileNotFoundError as error:
        raise _absent(place, path) from error
    if hashlib.sha256(found).hexdigest() != wanted.sha256:
        raise _another(place, path)
    return found


def kept(place: Readable, path: str, wanted: Digest, folder: Path) -> bytes:
    """As `content`; what was read once is kept in a folder, by its digest."""
    file = folder / wanted.sha256
    try:
        found = file.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) == wanted.size and hashlib.sha256(found).hexdigest() == wanted.sha256:
        return found
    found = content(place, path, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".partial")
    unfinished.write_bytes(found)
    unfinished.replace(file)
    return found


def small(place: Readable, path: str, largest: int) -> bytes:
    """All bytes of a file that has at most `largest`; FileNotFoundError where there is none."""
    return b"".join(pieces(place, path, 0, largest))


def holds(place: Readable, path: str, content: bytes) -> bool:
    """Whether a place has just this content at a path."""
    try:
        return small(place, path, len(content)) == content
    except (FileNotFoundError, WrongContent):
        return False


def pieces(place: Readable, path: str, offset: int, largest: int) -> Iterator[bytes]:
    """The content of a file from an offset on; WrongContent if that is more than `largest` bytes.

    FileNotFoundError where there is none.
    """
    with _remote(place, path), place.open(path, offset) as source:
        yield from reading.pieces(source, largest, path, place.url)


def _complete(
    place: Readable, path: str, wanted: Digest, file: IO[bytes], on_bytes: OnBytes
) -> None:
    """Go on with a partial file to its end, and verify it."""
    digest, size = _read(file, wanted.size)
    on_bytes(size)
    try:
        for piece in pieces(place, path, size, wanted.size - size):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
            on_bytes(len(piece))
    except FileNotFoundError as error:
        raise _absent(place, path) from error
    if size < wanted.size:
        raise InfrastructureError(
            f"{path} of {place.url} ends after {size} of {wanted.size} bytes",
            hint="call it again: it goes on from there",
        )
    if digest.hexdigest() != wanted.sha256:
        raise _another(place, path)


def _read(file: IO[bytes], largest: int) -> tuple[hashlib._Hash, int]:
    """The digest so far, and the size, of a partial file; it is begun anew if it is too large."""
    digest, size = hashlib.sha256(), 0
    if os.fstat(file.fileno()).st_size > largest:
        file.truncate(0)
    while piece := file.read(PIECE):
        digest.update(piece)
        size += len(piece)
    return digest, size


def _is(target: Path, wanted: Digest) -> bool:
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest == wanted.sha256


@contextmanager
def _remote(place: Readable, path: str) -> Iterator[None]:
    """Errors of a place while it is read in words; a file that is not there stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InfrastructureError(
            f"{path} of {place.url} cannot be read: {error.strerror or error}",
            hint="call it again later",
        ) from error


def _another(place: Readable, path: str) -> WrongContent:
    return WrongContent(
        f"{path} of {place.url} is not what the index says: its digest is another", hint=AGAIN
    )


def _absent(place: Readable, path: str) -> Absent:
    return Absent(
        f"{place.url} has no {path}, which its index names",
        hint="a mirror may be behind; call it again later, or fetch from the store itself",
    )
