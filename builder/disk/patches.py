# SPDX-License-Identifier: GPL-2.0-or-later
"""Replace what qemu-img draws at random in vmdk and vhdx files by what the build derives.

Both are edited in place after qemu-img has closed the file; qemu-img itself has no option for it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from builder.errors import BuildError

KIB = 1 << 10
# The descriptor of a streamOptimized extent: text, at sector 1, of at most 20 sectors.
DESCRIPTOR = slice(512, 21 * 512)
CID = re.compile(rb"^CID=[0-9a-f]{1,8}$", re.MULTILINE)
EXTENT = re.compile(rb'^(RW [0-9]+ SPARSE) "[^"\n]*"$', re.MULTILINE)

# Microsoft's "Virtual Hard Disk v2" format (MS-VHDX): two headers, two equal region tables.
HEADERS = (64 * KIB, 128 * KIB)
HEADER_SIZE = 4 * KIB
# Signature, checksum, sequence number, file write GUID, data write GUID.
HEADER = struct.Struct("<4sIQ16s16s")
# Log GUID (zero: nothing to replay), log version, format version, log length, log offset.
LOG = struct.Struct("<16sHHIQ")
REGION_TABLE = 192 * KIB
# Signature, checksum, count of entries, reserved; an entry: GUID, file offset, length, required.
REGION_HEAD = struct.Struct("<4sIII")
REGION_ENTRY = struct.Struct("<16sQII")
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
# Signature, reserved, count of entries, reserved; an entry: GUID, offset, length, flags, reserved.
METADATA_HEAD = struct.Struct("<8sHH20s")
METADATA_ENTRY = struct.Struct("<16sIIII")
PAGE_83 = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")


def set_vmdk_ids(vmdk: Path, disk: UUID) -> None:
    """Set the content id of a streamOptimized vmdk, a 32-bit number, to one taken from `disk`.

    The extent, which is this very file, gets a fixed name, whatever name it was made under.
    """
    with vmdk.open("r+b") as file:
        text = file.read(DESCRIPTOR.stop)[DESCRIPTOR].rstrip(b"\0")
        # qemu-img writes the number without leading zeros, so what follows may have to move.
        text, ids = CID.subn(f"CID={disk.int & 0xFFFFFFFF:08x}".encode(), text)
        text, extents = EXTENT.subn(rb'\1 "disk.vmdk"', text)
        room = DESCRIPTOR.stop - DESCRIPTOR.start
        if (ids, extents) != (1, 1) or len(text) >= room:
            raise _odd(vmdk, "one content id and one extent")
        file.seek(DESCRIPTOR.start)
        file.write(text.ljust(room, b"\0"))


def set_vhdx_ids(vhdx: Path, disk: UUID, write: UUID) -> None:
    """Set the disk's GUID to `disk`, those of its last writer to `write`; count writes from 1.

    The log, which is empty but still holds the entries that were replayed, becomes zeros.
    """
    with vhdx.open("r+b") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        headers = {offset: bytearray(read(offset, HEADER_SIZE)) for offset in HEADERS}
        logs = {LOG.unpack_from(header, HEADER.size) for header in headers.values()}
        if any(header[:4] != b"head" for header in headers.values()) or len(logs) != 1:
            raise _odd(vhdx, "two headers that agree")
        guid, _, _, log_length, log_offset = logs.pop()
        if any(guid):
            raise _odd(vhdx, "an empty log")
        file.seek(log_offset)
        file.write(bytes(log_length))
        # The header with the higher sequence number is the one that counts: keep their order.
        oldest_first = sorted(headers, key=lambda at: HEADER.unpack_from(headers[at])[2])
        for sequence, offset in enumerate(oldest_first, start=1):
            header = headers[offset]
            HEADER.pack_into(header, 0, b"head", 0, sequence, write.bytes_le, write.bytes_le)
            struct.pack_into("<I", header, 4, crc32c(bytes(header)))
            file.seek(offset)
            file.write(header)

        regions = dict(_entries(read(REGION_TABLE, 64 * KIB), REGION_HEAD, REGION_ENTRY))
        if METADATA_REGION not in regions:
            raise _odd(vhdx, "a metadata region")
        table = regions[METADATA_REGION]
        items = dict(_entries(read(table, 64 * KIB), METADATA_HEAD, METADATA_ENTRY))
        if PAGE_83 not in items:
            raise _odd(vhdx, "a disk id in its metadata")
        file.seek(table + items[PAGE_83])
        file.write(disk.bytes_le)


def _entries(table: bytes, head: struct.Struct, entry: struct.Struct) -> Iterator[tuple[UUID, int]]:
    """The GUID and the offset of each entry of a region or metadata table."""
    count = head.unpack_from(table)[2]
    for index in range(count):
        guid, offset, *_ = entry.unpack_from(table, head.size + index * entry.size)
        yield UUID(bytes_le=guid), offset


def _odd(path: Path, what: str) -> BuildError:
    return BuildError(
        f"qemu-img wrote a {path.suffix[1:]} file without {what}",
        hint="this version of qemu-img writes something new: report it as a bug of fai-forge",
    )


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC-32 of `data` (RFC 3720, appendix B.4); zlib has only the other one."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(_crc_row(byte) for byte in range(256))
