# SPDX-License-Identifier: GPL-2.0-or-later
"""The head of a delta: what it starts from, what it makes, and where its patches are.

The index vouches for the bytes of a delta, but not for the care of who made it: what a head says
is bounded and fits together before anything is allocated, sought or written by it.
"""

from __future__ import annotations

import zlib
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from builder.errors import InfrastructureError
from builder.manifest.parts import Part, Serial, Series, Sha256
from builder.store.delta.segments import segments

KIND: Final = "ImageDelta"
MAGIC: Final = b"FFDELTA1"
# Bytes of the length that follows the magic.
LENGTH: Final = 4
BLOCK: Final = 4096
SECTOR: Final = 512
LARGEST_DISK: Final = 64 << 40
# A head is a table of streams: 4,000 of them have 0.2 million bytes, packed a quarter of that.
LARGEST_HEAD: Final = 8 << 20
LARGEST_STREAM: Final = 256 << 20
LARGEST_DICT: Final = 64 << 20

Amount = Annotated[int, Field(ge=0, le=LARGEST_DISK)]
# Blocks of zeros, then blocks that are kept.
Extent = tuple[Amount, Annotated[int, Field(ge=1, le=LARGEST_DISK)]]


class Stream(Part):
    """A payload of xz in a packed disk.

    `gap` are the bytes between the one before and it, `length` is as it stands there, `plain` is
    unpacked; all in bytes. Of one that is a copy, `plain` is 0 and `copy_of` tells which of the
    table it is like.
    """

    gap: Annotated[Amount, Field(alias="g")]
    length: Annotated[int, Field(alias="l", ge=1, le=LARGEST_STREAM)]
    plain: Annotated[int, Field(alias="p", ge=0, le=LARGEST_STREAM)] = 0
    dictionary: Annotated[int, Field(alias="d", ge=0, le=LARGEST_DICT)] = 0
    copy_of: Annotated[int | None, Field(alias="c", ge=0)] = None


class Head(Part):
    """What a delta says of itself; lengths are in bytes, digests those of packed disks."""

    api_version: Literal["fai-forge/v1"]
    kind: Literal["ImageDelta"]
    name: Series
    base: Serial
    serial: Serial
    base_length: Amount
    base_sha256: Sha256
    size: Annotated[int, Field(ge=SECTOR, le=LARGEST_DISK, multiple_of=SECTOR)]
    """The size of the disk that it makes."""
    length: Amount
    sha256: Sha256
    extents: tuple[Extent, ...]
    cut: tuple[Stream, ...] = ()
    """The streams that the patches of `plain` make, in the order of the new packed disk."""
    gone: tuple[Stream, ...] = ()
    """The streams of the base that those patches start from."""
    rest: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """The sizes of the patches for all but the streams."""
    plain: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """The sizes of the patches for the unpacked streams."""

    @property
    def rest_length(self) -> int:
        """How much of the new packed disk is in no stream."""
        return self.length - sum(each.length for each in self.cut)

    @property
    def plain_length(self) -> int:
        """How long all new streams are, unpacked."""
        return sum(each.plain for each in self.cut)

    @property
    def gone_length(self) -> int:
        """How long the streams are that those start from, unpacked."""
        return sum(each.plain for each in self.gone)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        blocks = -(-self.size // BLOCK)
        last = sum(zeros + kept for zeros, kept in self.extents)
        if last > blocks or any(zeros == 0 for zeros, _ in self.extents[1:]):
            raise ValueError("the extents are not those of the disk")
        if packed_length(self.size, self.extents) != self.length:
            raise ValueError("the extents have another length")
        for streams, room in ((self.cut, self.length), (self.gone, self.base_length)):
            if sum(each.gap + each.length for each in streams) > room:
                raise ValueError("the streams are longer than what they are in")
        for number, each in enumerate(self.cut):
            _check(each, number, self.cut)
        if any(each.copy_of is not None or not each.plain for each in self.gone):
            raise ValueError("a stream of the base is a copy")
        if self.cut and not self.gone:
            raise ValueError("streams start from nothing")
        for patches, length, base in (
            (self.rest, self.rest_length, self.base_length),
            (self.plain, self.plain_length, self.gone_length),
        ):
            if len(patches) != len(segments(length, base)):
                raise ValueError("there are not as many patches as are needed")
        return self


def _check(each: Stream, number: int, table: tuple[Stream, ...]) -> None:
    if each.copy_of is None:
        if not each.plain or each.dictionary < BLOCK:
            raise ValueError("a stream has no content")
        return
    original = table[each.copy_of] if each.copy_of < number else each
    if original.copy_of is not None or each.plain or original.length != each.length:
        raise ValueError("a stream is a copy of none")


def packed_length(size: int, extents: tuple[Extent, ...]) -> int:
    """How long a disk is without its blocks of zeros; its last block may be a part of one."""
    ends = list(accumulate(zeros + kept for zeros, kept in extents))
    kept_bytes = sum(kept for _, kept in extents) * BLOCK
    short = -size % BLOCK if ends and ends[-1] == -(-size // BLOCK) else 0
    return kept_bytes - short


def dump(head: Head) -> bytes:
    """What a delta begins with; InfrastructureError for a disk of too many pieces."""
    text = head.model_dump_json(by_alias=True, exclude_defaults=True).encode()
    if len(text) > LARGEST_HEAD:
        raise InfrastructureError(
            f"the head of the delta would have {len(text)} bytes, and may have {LARGEST_HEAD}",
            hint="the disk is in too many pieces",
        )
    packed = zlib.compress(text, 9)
    return MAGIC + len(packed).to_bytes(LENGTH, "big") + packed


def read(path: Path) -> tuple[Head, int]:
    """The head of a delta, and where its patches begin; InfrastructureError if it is none."""
    with path.open("rb") as file:
        begin = file.read(len(MAGIC) + LENGTH)
        if not begin.startswith(MAGIC) or len(begin) < len(MAGIC) + LENGTH:
            raise _wrong(path, "it is of another format")
        length = int.from_bytes(begin[len(MAGIC) :], "big")
        if length > LARGEST_HEAD:
            raise _wrong(path, f"its head has {length} bytes, and may have {LARGEST_HEAD}")
        packed = file.read(length)
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, LARGEST_HEAD)
    except zlib.error as error:
        raise _wrong(path, "its head is damaged") from error
    if not unpacker.eof or unpacker.unused_data:
        raise _wrong(path, "its head is damaged, or too large")
    try:
        head = Head.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the head"
        raise _wrong(path, f"{field}: {first['msg']}") from error
    begins = len(begin) + length
    if begins + sum(head.rest) + sum(head.plain) != path.stat().st_size:
        raise _wrong(path, "its patches have another size")
    return head, begins


def _wrong(path: Path, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"{path.name} is no delta that is understood here: {why}",
        hint="a newer fai-forge may have made it",
    )
