# SPDX-License-Identifier: GPL-2.0-or-later
"""Making a delta: disks are packed, xz streams that changed are unpacked, zstd does the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from builder.manifest.parts import API_VERSION
from builder.store.delta import header, patching, xzstreams
from builder.store.delta.header import KIND, Head, Stream
from builder.store.delta.packing import Packed, pack
from builder.store.delta.xzstreams import Payload

PIECE: Final = 1 << 20
Unpacks = Callable[[bytes, Payload], bytes | None]


@dataclass(frozen=True)
class Pair:
    """Whose disks a delta is between: a series, and two serials of it."""

    name: str
    base: str
    serial: str


def make(pair: Pair, base: Path, new: Path, target: Path, work: Path) -> None:
    """Write the delta that makes the raw disk `new` out of `base` to `target`.

    `work` is a folder with room for all of both, unpacked, that is cleared by whoever gave it.
    """
    patching.free(work, 3 * (_stored(base) + _stored(new)))
    before, after = pack(base, work / "base"), pack(new, work / "new")
    cuts = _cuts(before, after, work)
    rest = work / "rest"
    with after.path.open("rb") as source, rest.open("wb") as out:
        _without(source, cuts.cut, out)
    patches = patching.make(before.path, rest, work)
    plain = patching.make(cuts.gone_file, cuts.cut_file, work) if cuts.cut else []
    head = Head(
        api_version=API_VERSION,
        kind=KIND,
        name=pair.name,
        base=pair.base,
        serial=pair.serial,
        base_length=before.length,
        base_sha256=before.sha256,
        size=after.size,
        length=after.length,
        sha256=after.sha256,
        extents=after.extents,
        cut=_table(cuts.cut),
        gone=_table(cuts.gone),
        rest=tuple(each.stat().st_size for each in patches),
        plain=tuple(each.stat().st_size for each in plain),
    )
    with target.open("wb") as out:
        out.write(header.dump(head))
        for patch in (*patches, *plain):
            with patch.open("rb") as source:
                _copy(source, out, patch.stat().st_size)


def _stored(path: Path) -> int:
    """The bytes that a file takes, without its holes."""
    return path.stat().st_blocks * 512


@dataclass(frozen=True)
class _Cuts:
    """The streams that a delta has unpacked, with the files of their contents."""

    cut: Sequence[Payload]
    gone: Sequence[Payload]
    cut_file: Path
    gone_file: Path


def _cuts(before: Packed, after: Packed, work: Path) -> _Cuts:
    """What is packed anew on the other side: streams that the base has not, if it lost some."""
    old, new = xzstreams.find(before.path), xzstreams.find(after.path)
    known, wanted = ({each.digest for each in side} for side in (old, new))
    gone = _once(each for each in old if each.digest not in wanted)
    fresh = [each for each in new if each.digest not in known]
    cut_file, gone_file = work / "plain", work / "gone"
    if not gone or not fresh:
        return _Cuts((), (), cut_file, gone_file)
    told = _write(before.path, gone, gone_file, _unpacked)
    good = {each.digest for each in _write(after.path, _once(fresh), cut_file, _comes_back)}
    cut = [each for each in fresh if each.digest in good]
    if not told or not cut:
        return _Cuts((), (), cut_file, gone_file)
    return _Cuts(cut, told, cut_file, gone_file)


def _once(payloads: Iterable[Payload]) -> list[Payload]:
    """The first of each content."""
    found: dict[str, Payload] = {}
    for each in payloads:
        found.setdefault(each.digest, each)
    return list(found.values())


def _unpacked(content: bytes, payload: Payload) -> bytes | None:
    return xzstreams.unpacked(content, payload.plain, payload.dictionary)


def _comes_back(content: bytes, payload: Payload) -> bytes | None:
    return xzstreams.comes_back(content, payload)


def _write(path: Path, payloads: Sequence[Payload], target: Path, how: Unpacks) -> list[Payload]:
    """Write the contents of payloads, and return those that there are, in their order."""
    found = []
    with path.open("rb") as source, target.open("wb") as out:
        calls = ((_at(source, each), each) for each in payloads)
        for each, plain in zip(payloads, xzstreams.in_turn(calls, how), strict=True):
            if plain is not None:
                out.write(plain)
                found.append(each)
    return found


def _at(source: IO[bytes], payload: Payload) -> bytes:
    source.seek(payload.offset)
    return source.read(payload.length)


def _without(source: IO[bytes], cut: Sequence[Payload], out: IO[bytes]) -> None:
    """Copy a packed disk without the payloads that are cut."""
    for each in cut:
        _copy(source, out, each.offset - source.tell())
        source.seek(each.length, 1)
    while piece := source.read(PIECE):
        out.write(piece)


def _copy(source: IO[bytes], out: IO[bytes], length: int) -> None:
    while length and (piece := source.read(min(PIECE, length))):
        out.write(piece)
        length -= len(piece)


def _table(payloads: Sequence[Payload]) -> tuple[Stream, ...]:
    """Payloads as a head lists them; those with the content of another one are its copies."""
    rows: list[Stream] = []
    first: dict[str, int] = {}
    end = 0
    for number, each in enumerate(payloads):
        gap, end = each.offset - end, each.offset + each.length
        known = first.setdefault(each.digest, number)
        if known < number:
            rows.append(Stream(gap=gap, length=each.length, copy_of=known))
        else:
            rows.append(
                Stream(gap=gap, length=each.length, plain=each.plain, dictionary=each.dictionary)
            )
    return tuple(rows)
