# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compressed by xz inside of a disk, such as the modules of a kernel, unpacked and back.

Nothing of two compressed files is alike, however much of their contents is. So a delta is made of
the contents, and the reader compresses them again, to the same bytes: xz's encoder has given the
same ones for years, and whoever makes a delta tries each stream out. Only the payload of a block
(LZMA2) is replaced; headers, checks and index around it stay.
"""

from __future__ import annotations

import hashlib
import lzma
import mmap
import os
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from builder.store.delta.header import BLOCK, LARGEST_DICT, LARGEST_STREAM

MAGIC: Final = b"\xfd7zXZ\x00"
BEGIN: Final = re.compile(re.escape(MAGIC))
HEADER: Final = 12
# The size of a block's check by the kind that the stream's header names.
CHECKS: Final = {0: 0, 1: 4, 4: 8, 10: 32}
LZMA2: Final = 0x21
# What `xz` uses where nothing else is asked for, as the kernel's Makefile does.
PRESET: Final = 6
# Of a block's flags: both of its sizes are told; more than one filter; what nobody knows.
SIZES, FILTERS, RESERVED = 0xC0, 0x03, 0x3C
# Shorter ones gain nothing.
SHORTEST: Final = 512


@dataclass(frozen=True)
class Payload:
    """The payload of a block of xz at an offset; lengths and the dictionary's size in bytes."""

    offset: int
    length: int
    plain: int
    dictionary: int
    digest: str


def find(path: Path) -> tuple[Payload, ...]:
    """The payloads of all whole streams of xz in a file whose blocks tell their sizes."""
    if path.stat().st_size == 0:
        return ()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return tuple(_found(content))


def _found(content: mmap.mmap) -> Iterator[Payload]:
    offset = 0
    # Not mmap.find(), which reads beyond the end before Python 3.11.4 (gh-105235).
    while found := BEGIN.search(content, offset):
        offset = found.start()
        try:
            payloads, end = _stream(content, offset)
        except (IndexError, ValueError):
            offset += len(MAGIC)
            continue
        for begin, length, plain, dictionary in payloads:
            digest = hashlib.sha256(content[begin : begin + length]).hexdigest()
            yield Payload(begin, length, plain, dictionary, digest)
        offset = end


def _stream(content: mmap.mmap, offset: int) -> tuple[list[tuple[int, int, int, int]], int]:
    """The payloads of a stream, and where its index begins; ValueError for what is not known."""
    header = content[offset : offset + HEADER]
    if header[6] or zlib.crc32(header[6:8]) != int.from_bytes(header[8:12], "little"):
        raise ValueError
    check = CHECKS.get(header[7])
    if check is None:
        raise ValueError
    offset += HEADER
    found = []
    while content[offset]:
        length = (content[offset] + 1) * 4
        block = content[offset : offset + length]
        if zlib.crc32(block[:-4]) != int.from_bytes(block[-4:], "little"):
            raise ValueError
        flags = block[1]
        if flags & SIZES != SIZES or flags & (FILTERS | RESERVED):
            raise ValueError
        packed, place = _number(block, 2)
        plain, place = _number(block, place)
        kind, properties, bits = block[place : place + 3]
        if (kind, properties) != (LZMA2, 1) or bits >= 40:
            raise ValueError
        dictionary = (2 | bits & 1) << (bits // 2 + 11)
        begin = offset + length
        if packed > LARGEST_STREAM or begin + packed > len(content):
            raise ValueError
        fits = plain <= LARGEST_STREAM and BLOCK <= dictionary <= LARGEST_DICT
        if fits and plain and packed >= SHORTEST:
            found.append((begin, packed, plain, dictionary))
        offset = begin + packed + -packed % 4 + check
    return found, offset


def _number(block: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits in each byte, and what follows it."""
    found = shift = 0
    while True:
        byte = block[place]
        found |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return found, place
        if shift > 63:
            raise ValueError


def unpacked(packed: bytes, plain: int, dictionary: int) -> bytes | None:
    """The content of a payload; None unless it is whole and has `plain` bytes."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(dictionary))
    try:
        found = unpacker.decompress(packed, plain + 1)
    except (lzma.LZMAError, EOFError):
        return None
    return found if unpacker.eof and not unpacker.unused_data and len(found) == plain else None


def packed(plain: bytes, dictionary: int) -> bytes:
    """A content as xz packs it."""
    return lzma.compress(plain, lzma.FORMAT_RAW, filters=_filters(dictionary))


def comes_back(content: bytes, payload: Payload) -> bytes | None:
    """The unpacked content of a payload if packing gives the same bytes again; None else."""
    plain = unpacked(content, payload.plain, payload.dictionary)
    if plain is None or packed(plain, payload.dictionary) != content:
        return None
    return plain


def _filters(dictionary: int) -> list[dict[str, Any]]:
    return [{"id": lzma.FILTER_LZMA2, "preset": PRESET, "dict_size": dictionary}]


def in_turn(calls: Iterable[tuple[Any, ...]], function: Any) -> Iterator[Any]:
    """The answers of a function, in order, with all processors at work and few answers waiting."""
    threads = len(os.sched_getaffinity(0))
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(function, *call))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
