# SPDX-License-Identifier: GPL-2.0-or-later
"""The bytes that grub's boot.img and core.img need to find each other."""

from __future__ import annotations

import struct

import pytest

from builder.disk.bootsector import core_image, master_boot_record
from builder.errors import BuildError

BOOT = bytes([0xEB, 0x63]) + bytes([0x11]) * 508 + b"\x55\xaa"
TABLE = bytes([0x22]) * 510 + b"\x55\xaa"
CORE = bytes([0x33]) * 1300


def test_the_code_is_grubs_and_the_table_is_the_disks() -> None:
    sector = master_boot_record(TABLE, BOOT, 2048)
    assert len(sector) == 512
    assert sector[:0x5C] == BOOT[:0x5C]
    assert sector[0x68:0x1B8] == BOOT[0x68:0x1B8]
    assert sector[0x1B8:] == TABLE[0x1B8:]


def test_the_code_knows_where_core_begins_and_checks_the_drive() -> None:
    sector = master_boot_record(TABLE, BOOT, 0x0102030405)
    assert struct.unpack_from("<Q", sector, 0x5C) == (0x0102030405,)
    assert sector[0x64:0x66] == BOOT[0x64:0x66]
    assert sector[0x66:0x68] == b"\x90\x90"


@pytest.mark.parametrize("boot", [b"", BOOT[:511], BOOT + b"\0", bytes(512)])
def test_something_else_is_no_boot_sector(boot: bytes) -> None:
    with pytest.raises(BuildError, match=r"boot\.img"):
        master_boot_record(TABLE, boot, 2048)


def test_core_loads_the_rest_of_itself() -> None:
    image = core_image(CORE, 2048, 6144)
    assert len(image) == 3 * 512
    # Sector, sectors to read; the load segment stays as grub-mkimage wrote it.
    assert struct.unpack_from("<QH", image, 0x1F4) == (2049, 2)
    assert image[0x1FE:0x200] == CORE[0x1FE:0x200]
    assert image[:0x1F4] == CORE[:0x1F4]
    assert image[512:1300] == CORE[512:]
    assert not any(image[1300:])


def test_a_core_that_fills_the_partition_fits_and_one_byte_more_does_not() -> None:
    core_image(bytes(6144 * 512), 2048, 6144)
    with pytest.raises(BuildError, match=r"core\.img"):
        core_image(bytes(6144 * 512 + 1), 2048, 6144)


@pytest.mark.parametrize("size", [0, 512])
def test_a_core_without_a_second_sector_is_refused(size: int) -> None:
    with pytest.raises(BuildError, match=r"core\.img"):
        core_image(bytes(size), 2048, 6144)
