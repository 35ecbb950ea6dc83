# SPDX-License-Identifier: GPL-2.0-or-later
"""Deltas: packed disks, heads that lie, streams of xz, and which way to an image is cheapest."""

from __future__ import annotations

import hashlib
import json
import lzma
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import InfrastructureError
from builder.facility.deltas import choose
from builder.store.delta import header, xzstreams
from builder.store.delta.header import BLOCK, Head, Stream, packed_length
from builder.store.delta.packing import pack, unpack
from builder.store.delta.segments import MIB, SEGMENT, segments
from builder.store.index import Build, Delta, Digest, Image, SeriesEntry
from tests.published import WHEN, series

SHA = "a" * 64
QCOW2 = b"QFI\xfb" + b"\0" * 60


@given(st.lists(st.booleans(), max_size=600), st.integers(0, 7))
def test_a_disk_is_packed_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bool], short: int
) -> None:
    here = tmp_path_factory.mktemp("disk")
    content = b"".join(
        bytes([number % 255 + 1] if kept else [0]) * BLOCK for number, kept in enumerate(blocks)
    )
    content = content[: max(0, len(content) - short * 512)]
    raw = here / "raw"
    raw.write_bytes(content)
    packed = pack(raw, here / "packed")
    assert packed.length == packed.path.stat().st_size == packed_length(packed.size, packed.extents)
    assert packed.length <= sum(blocks) * BLOCK
    unpack(packed.path, packed.size, packed.extents, here / "back")
    assert (here / "back").read_bytes() == content


def head(**more: Any) -> Head:
    values: dict[str, Any] = {
        "apiVersion": "fai-forge/v1",
        "kind": "ImageDelta",
        "name": "debian-13",
        "base": "20261120",
        "serial": "20261121",
        "base_length": 8 * BLOCK,
        "base_sha256": SHA,
        "size": 100 * BLOCK,
        "length": 4 * BLOCK,
        "sha256": SHA,
        "extents": ((0, 1), (3, 3)),
        "rest": (5,),
    }
    return Head.model_validate(values | more)


def written(path: Path, text: bytes, patches: int = 5) -> Path:
    packed = zlib.compress(text)
    path.write_bytes(header.MAGIC + len(packed).to_bytes(4, "big") + packed + bytes(patches))
    return path


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    cut = (
        Stream(gap=0, length=600, plain=9000, dictionary=1 << 20),
        Stream(gap=7, length=600, copy_of=0),
    )
    gone = (Stream(gap=5, length=700, plain=8000, dictionary=1 << 20),)
    whole = head(cut=cut, gone=gone, plain=(2,))
    path = tmp_path / "delta"
    path.write_bytes(header.dump(whole) + bytes(7))
    assert header.read(path) == (whole, path.stat().st_size - 7)
    told = json.loads(zlib.decompress(path.read_bytes()[12:-7]))
    assert (told["apiVersion"], told["kind"]) == ("fai-forge/v1", "ImageDelta")


GOOD = json.loads(head().model_dump_json(by_alias=True))
STREAM = {"g": 0, "l": 600, "p": 9000, "d": 1 << 20}
HOSTILE: dict[str, dict[str, Any]] = {
    "a disk of 2^60 bytes": {"size": 1 << 60},
    "a disk of no sectors": {"size": 100 * BLOCK + 1},
    "an extent behind the end": {"extents": [[0, 1], [97, 3]]},
    "a negative gap": {"extents": [[0, 5], [-3, 2]]},
    "an empty extent": {"extents": [[0, 4], [1, 0]]},
    "extents that touch": {"extents": [[0, 1], [0, 3]]},
    "more in the extents than is told": {"extents": [[0, 9]]},
    "no patch": {"rest": []},
    "a patch too many": {"rest": [2, 3]},
    "an empty patch": {"rest": [0]},
    "patches beyond the end": {"rest": [6]},
    "a stream beyond the end": {"cut": [{**STREAM, "g": 4 * BLOCK}], "gone": [STREAM]},
    "a stream of 2^50 bytes": {"cut": [{**STREAM, "p": 1 << 50}], "gone": [STREAM]},
    "a dictionary of 4 GiB": {"cut": [{**STREAM, "d": 1 << 32}], "gone": [STREAM]},
    "a copy of itself": {"cut": [{"g": 0, "l": 600, "c": 0}], "gone": [STREAM]},
    "a copy of a later one": {"cut": [{"g": 0, "l": 600, "c": 1}, STREAM], "gone": [STREAM]},
    "a copy of another length": {"cut": [STREAM, {"g": 0, "l": 601, "c": 0}], "gone": [STREAM]},
    "a copy in the base": {"gone": [{"g": 0, "l": 600, "c": 0}]},
    "a stream without content": {"cut": [{**STREAM, "p": 0}], "gone": [STREAM]},
    "streams from nothing": {"cut": [STREAM], "plain": [1], "rest": [4]},
    "a stream of the base beyond its end": {"gone": [{**STREAM, "g": 8 * BLOCK}]},
    "no version": {"apiVersion": None},
    "another kind": {"kind": "ImageManifest"},
    "a newer version": {"apiVersion": "fai-forge/v2"},
    "an unknown field": {"path": "/etc/passwd"},
    "a name that is a path": {"name": "../../etc"},
}


@pytest.mark.parametrize("lie", HOSTILE.values(), ids=HOSTILE)
def test_a_head_that_lies_is_refused(tmp_path: Path, lie: dict[str, Any]) -> None:
    assert header.read(written(tmp_path / "good", json.dumps(GOOD).encode()))
    path = written(tmp_path / "delta", json.dumps({**GOOD, **lie}).encode())
    with pytest.raises(InfrastructureError, match="no delta that is understood"):
        header.read(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda content: content[:10],
        lambda content: content[:40],
        lambda content: b"FFDELTA9" + content[8:],
        lambda content: content[:8] + b"\xff\xff\xff\xff" + content[12:],
        lambda content: content[:20] + b"\0" + content[21:],
        lambda content: content + b"more",
        lambda content: content[:-1],
    ],
)
def test_a_damaged_delta_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = written(tmp_path / "delta", json.dumps(GOOD).encode())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InfrastructureError, match="no delta that is understood"):
        header.read(path)


def test_a_head_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "delta", b" " * (header.LARGEST_HEAD + 1))
    with pytest.raises(InfrastructureError, match="too large"):
        header.read(path)


@pytest.mark.parametrize(
    ("length", "base", "count"),
    [
        (0, 5, 0),
        (1, 0, 1),
        (SEGMENT, 600 * MIB, 1),
        (SEGMENT + 1, 600 * MIB, 2),
        (5000 * MIB, 5000 * MIB, 7),
        (5000 * MIB, 900 * MIB, 7),
        (10, 60_000 * MIB, 1),
    ],
)
def test_segments_make_all_of_it_and_zstd_takes_each(length: int, base: int, count: int) -> None:
    found = segments(length, base)
    assert len(found) == count
    assert sum(each.length for each in found) == length
    for number, each in enumerate(found):
        assert 0 <= each.begin <= each.end <= base
        assert each.end - each.begin < 2000 * MIB
        assert 0 < each.length <= SEGMENT
        if length == base:
            start = number * SEGMENT
            assert each.begin <= start <= start + each.length <= each.end


def xz(content: bytes) -> bytes:
    """A stream as xz makes it with several threads: its block tells its sizes."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]
    payload = lzma.compress(content, lzma.FORMAT_RAW, filters=filters)

    def number(value: int) -> bytes:
        found = b""
        while value > 0x7F:
            found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
        return found + bytes([value])

    fields = b"\xc0" + number(len(payload)) + number(len(content)) + b"\x21\x01\x10"
    fields += b"\0" * (-(len(fields) + 1) % 4)
    block = bytes([(len(fields) + 1) // 4]) + fields
    block += zlib.crc32(block).to_bytes(4, "little")
    begin = xzstreams.MAGIC + b"\0\x01" + zlib.crc32(b"\0\x01").to_bytes(4, "little")
    check = zlib.crc32(content).to_bytes(4, "little")
    body = block + payload + b"\0" * (-len(payload) % 4) + check
    unpadded = len(block) + len(payload) + 4
    index = b"\0\x01" + number(unpadded) + number(len(content))
    index += b"\0" * (-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    footer = (len(index) // 4 - 1).to_bytes(4, "little") + b"\0\x01"
    return begin + body + index + zlib.crc32(footer).to_bytes(4, "little") + footer + b"YZ"


def text(seed: int) -> bytes:
    words = random.Random(seed)  # noqa: S311
    return b" ".join(b"%d" % words.randrange(5000) for _ in range(20_000))


def test_streams_are_found_and_come_back(tmp_path: Path) -> None:
    assert lzma.decompress(xz(text(1))) == text(1)
    path = tmp_path / "packed"
    path.write_bytes(b"\1" * 100 + xz(text(1)) + xzstreams.MAGIC + b"\2" * 5000 + xz(text(2)))
    found = xzstreams.find(path)
    assert len(found) == 2
    content = path.read_bytes()
    for each, plain in zip(found, (text(1), text(2)), strict=True):
        packed = content[each.offset : each.offset + each.length]
        assert xzstreams.comes_back(packed, each) == plain
        assert xzstreams.packed(plain, each.dictionary) == packed
        # Who lies about the size is not believed.
        assert xzstreams.unpacked(packed, each.plain - 1, each.dictionary) is None
        assert xzstreams.unpacked(packed[:-1], each.plain, each.dictionary) is None


@pytest.mark.parametrize("place", [6, 7, 9, 12, 13, 14, 20, 22])
def test_what_is_no_whole_stream_is_left_alone(tmp_path: Path, place: int) -> None:
    content = bytearray(xz(text(1)))
    content[place] ^= 0x55
    (tmp_path / "packed").write_bytes(content)
    assert xzstreams.find(tmp_path / "packed") == ()
    (tmp_path / "packed").write_bytes(xz(text(1))[:2000])
    assert xzstreams.find(tmp_path / "packed") == ()
    (tmp_path / "packed").write_bytes(b"")
    assert xzstreams.find(tmp_path / "packed") == ()


def build(serial: str, deltas: dict[str, int], **more: Any) -> Build:
    name = f"debian-13-{serial}.qcow2"
    empty = Digest(name="none", size=0, sha256=SHA)
    values: dict[str, Any] = {
        "serial": serial,
        "channel": "release",
        "published": WHEN,
        "manifest": empty,
        "sums": empty,
        "images": (Image(name=name, size=1000, sha256=SHA, format="qcow2"),),
        "deltas": tuple(
            Delta(
                name=f"{name}.from-{base}.delta", size=size, sha256=SHA, format="qcow2", base=base
            )
            for base, size in deltas.items()
        ),
    }
    return Build.model_validate(values | more)


A, B, C, D = "20261101", "20261102", "20261103", "20261104"
CHAIN = (build(A, {}), build(B, {A: 100}), build(C, {B: 200}), build(D, {C: 300}))


def way(tmp_path: Path, entry: SeriesEntry, *here: str, form: str = "qcow2") -> list[str] | None:
    """The serials of the cheapest way to the newest build, from those whose files are here."""
    for serial in here:
        (tmp_path / serial).write_bytes(QCOW2)
    digest = hashlib.sha256(QCOW2).hexdigest()
    builds = [
        each.model_copy(
            update={"images": tuple(i.model_copy(update={"sha256": digest}) for i in each.images)}
        )
        if each.serial in here
        else each
        for each in entry.builds
    ]
    wanted = builds[-1]
    image = Image(name="image", size=1000, sha256=SHA, format=form)

    def bases(serial: str, kind: str) -> Path | None:
        return tmp_path / serial if serial in here and kind == "qcow2" else None

    found = choose(entry.model_copy(update={"builds": tuple(builds)}), wanted, image, bases)
    return None if found is None else [step.build.serial for step in found.steps]


def test_the_cheapest_way_is_taken(tmp_path: Path) -> None:
    entry = series(*CHAIN)
    assert way(tmp_path, entry) is None
    assert way(tmp_path, entry, A) == [B, C, D]
    assert way(tmp_path, entry, A, C) == [D]
    # A leap that is cheaper than the steps; and one that is not.
    for size, expected in ((590, [D]), (610, [B, C, D])):
        leap = build(D, {C: 300, A: size})
        assert way(tmp_path, series(*CHAIN[:3], leap), A) == expected


def test_two_ways_of_the_same_bytes(tmp_path: Path) -> None:
    image = CHAIN[1].images[0]
    (delta,) = CHAIN[1].deltas
    twice = CHAIN[1].model_copy(
        update={"deltas": (delta, delta.model_copy(update={"name": f"other-{image.name}"}))}
    )
    assert way(tmp_path, series(CHAIN[0], twice), A) == [B]


def test_what_is_not_worth_it_comes_as_a_whole(tmp_path: Path) -> None:
    assert way(tmp_path, series(*CHAIN[:3], build(D, {C: 399})), A) == [B, C, D]
    assert way(tmp_path, series(*CHAIN[:3], build(D, {C: 400})), A) is None
    assert way(tmp_path, series(*CHAIN), A, form="vmdk") is None


def test_removed_builds_and_circles_lead_nowhere(tmp_path: Path) -> None:
    gone = build(C, {B: 200}, state="removed")
    assert way(tmp_path, series(CHAIN[0], CHAIN[1], gone, CHAIN[3]), A) is None
    circle = build(B, {D: 1, C: 1})
    assert way(tmp_path, series(circle, CHAIN[2], CHAIN[3]), A) is None
    # The base itself may be in no index any more.
    assert way(tmp_path, series(*CHAIN[1:]), A) == [B, C, D]


@pytest.mark.parametrize("content", [QCOW2 + b"more", b"no disk"])
def test_a_base_that_was_changed_is_no_base(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base").write_bytes(content)

    def bases(_serial: str, form: str) -> Path | None:
        return tmp_path / "base" if form == "qcow2" else None

    assert choose(series(*CHAIN[:2]), CHAIN[1], CHAIN[1].images[0], bases) is None


def test_a_disk_of_too_many_pieces_has_no_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "LARGEST_HEAD", 100)
    with pytest.raises(InfrastructureError, match="the head of the delta would have"):
        header.dump(head())
