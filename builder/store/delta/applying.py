# SPDX-License-Identifier: GPL-2.0-or-later
"""Applying a delta to a packed disk; what comes out is the next packed disk, or an error."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from builder.errors import InfrastructureError
from builder.store.delta import patching, xzstreams
from builder.store.delta.header import Head, Stream
from builder.store.delta.packing import Packed

PIECE: Final = 1 << 20


def apply(base: Packed, head: Head, delta: Path, begins: int, target: Path, work: Path) -> Packed:
    """The packed disk at `target` that a delta makes out of another one, verified.

    `begins` is where its patches begin. Raises InfrastructureError where the base is another one,
    the outcome is, or there is no room.
    """
    if (base.length, base.sha256) != (head.base_length, head.base_sha256):
        raise InfrastructureError(
            f"the delta from {head.name}-{head.base} is for another disk than the one that is here",
            hint="the image here was changed, or is of another build",
        )
    patching.free(work, 2 * head.length + 2 * head.plain_length + head.gone_length)
    patches = _patches(delta, begins, (*head.rest, *head.plain), work)
    rest, plain, gone = work / "rest", work / "plain", work / "gone"
    patching.apply(base.path, head.rest_length, patches[: len(head.rest)], rest, work)
    if head.cut:
        _unpack(base.path, head.gone, gone)
        patching.apply(gone, head.plain_length, patches[len(head.rest) :], plain, work)
        gone.unlink()
    else:
        plain.touch()
    digest, length = hashlib.sha256(), 0
    with target.open("wb") as out:
        for piece in _together(head.cut, rest, plain):
            out.write(piece)
            digest.update(piece)
            length += len(piece)
    for path in (rest, plain, *patches):
        path.unlink()
    if (length, digest.hexdigest()) != (head.length, head.sha256):
        raise InfrastructureError(
            f"the delta to {head.name}-{head.serial} gives another disk",
            hint="this machine's xz packs otherwise than the publisher's, or the delta is wrong",
        )
    return Packed(target, head.length, head.sha256, head.size, head.extents)


def _patches(delta: Path, begins: int, sizes: Sequence[int], work: Path) -> list[Path]:
    """Each patch of a delta in a file of its own."""
    made = []
    with delta.open("rb") as source:
        source.seek(begins)
        for number, size in enumerate(sizes):
            path = work / f"patch.{number}"
            with path.open("wb") as out:
                for piece in _pieces(source, size):
                    out.write(piece)
            made.append(path)
    return made


def _unpack(base: Path, streams: Sequence[Stream], target: Path) -> None:
    """Write the contents of the base's streams."""
    with base.open("rb") as source, target.open("wb") as out:

        def calls() -> Iterator[tuple[bytes, int, int]]:
            for each in streams:
                source.seek(each.gap, 1)
                yield source.read(each.length), each.plain, each.dictionary

        for plain in xzstreams.in_turn(calls(), xzstreams.unpacked):
            if plain is None:
                raise InfrastructureError(
                    "a delta names a stream that the base has not", hint="it was made wrong"
                )
            out.write(plain)


def _together(cut: Sequence[Stream], rest: Path, plain: Path) -> Iterator[bytes]:
    """The packed disk, piece by piece: the streams go where they were cut out."""
    # Those that others are copies of; all others are forgotten once they are written.
    originals = {each.copy_of for each in cut}
    kept: dict[int, bytes] = {}
    with rest.open("rb") as source, plain.open("rb") as contents:
        calls = (
            (contents.read(each.plain), each.dictionary) for each in cut if each.copy_of is None
        )
        streams = xzstreams.in_turn(calls, xzstreams.packed)
        for number, each in enumerate(cut):
            yield from _pieces(source, each.gap)
            stream = next(streams) if each.copy_of is None else kept[each.copy_of]
            if number in originals:
                kept[number] = stream
            yield stream
        while piece := source.read(PIECE):
            yield piece


def _pieces(source: IO[bytes], length: int) -> Iterator[bytes]:
    while length and (piece := source.read(min(PIECE, length))):
        length -= len(piece)
        yield piece
