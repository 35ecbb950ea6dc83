# SPDX-License-Identifier: GPL-2.0-or-later
"""What BIOS needs to start grub: boot.img in the MBR and core.img in the BIOS boot partition.

grub-install does the same, but only on a real device. The offsets are those of grub's
`include/grub/i386/pc/boot.h` and `grub-core/boot/i386/pc/{boot,diskboot}.S`; they are part of the
format that boot.img and core.img agree on, and have not moved since grub 2.00.
"""

from __future__ import annotations

import struct

from builder.errors import BuildError

SECTOR = 512
# GRUB_BOOT_MACHINE_KERNEL_SECTOR: a 64-bit sector number, where core.img begins.
KERNEL_SECTOR = 0x5C
# GRUB_BOOT_MACHINE_DRIVE_CHECK: a jump that trusts the BIOS' drive number; two NOPs make boot.img
# correct it, as grub-bios-setup does for hard disks.
DRIVE_CHECK = 0x66
NOPS = b"\x90\x90"
# GRUB_BOOT_MACHINE_WINDOWS_NT_MAGIC: from here on the MBR is the partition table's, not the code's.
DISK_ID = 0x1B8
# The first entry of diskboot.img's block list (start: 64 bits, sectors: 16 bits, load segment: 16
# bits), which tells where the rest of core.img is. The segment is already there.
BLOCK_LIST = 0x1F4
END_OF_LIST = struct.Struct("<QH")


def master_boot_record(table: bytes, boot: bytes, core_start: int) -> bytes:
    """The disk's first sector: grub's code from `boot`, the partition table from `table`.

    Both are 512 bytes; `core_start` is the sector where core.img begins.
    """
    if len(boot) != SECTOR or boot[-2:] != b"\x55\xaa":
        raise BuildError(
            "boot.img is not a boot sector of 512 bytes", hint="reinstall grub-pc-bin in the image"
        )
    sector = bytearray(boot[:DISK_ID] + table[DISK_ID:SECTOR])
    struct.pack_into("<Q", sector, KERNEL_SECTOR, core_start)
    sector[DRIVE_CHECK : DRIVE_CHECK + len(NOPS)] = NOPS
    return bytes(sector)


def core_image(core: bytes, start: int, room: int) -> bytes:
    """`core` in whole sectors with its block list set, to be written at sector `start`.

    `room` is the partition's size in sectors; a core.img that does not fit is a BuildError.
    """
    sectors = -(-len(core) // SECTOR)
    if not 1 < sectors <= room:
        raise BuildError(
            f"core.img has {len(core)} bytes, and must have between 513 and {room * SECTOR}",
            hint="look at the modules that the class's script gives to grub-mkimage",
        )
    image = bytearray(core.ljust(sectors * SECTOR, b"\0"))
    END_OF_LIST.pack_into(image, BLOCK_LIST, start + 1, sectors - 1)
    return bytes(image)
