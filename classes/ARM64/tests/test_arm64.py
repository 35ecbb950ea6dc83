# SPDX-License-Identifier: GPL-2.0-or-later
"""A 64-bit ARM machine: its kernel, the serial console, and how UEFI started it."""

from __future__ import annotations

from builder.guest.guest import Guest

CONSOLE = "ttyAMA0"
EFIVARS = "/sys/firmware/efi/efivars"
# The UEFI specification's own variables.
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"


def test_the_kernel_is_for_the_architecture(guest: Guest) -> None:
    assert guest.check("uname -m; dpkg --print-architecture").split() == ["aarch64", "arm64"]
    # Such as 6.12.94+deb13-arm64, or -cloud-arm64; there are others, with larger pages.
    assert guest.check("uname -r").strip().endswith("-arm64")


def test_the_serial_line_is_the_console(guest: Guest) -> None:
    """systemd writes to the last console of the command line, and somebody can log in there."""
    consoles = [word for word in guest.check("cat /proc/cmdline").split() if "console=" in word]
    assert consoles[-1].startswith(f"console={CONSOLE}")
    assert CONSOLE in guest.check("cat /sys/class/tty/console/active").split()
    assert guest.check(f"systemctl is-active serial-getty@{CONSOLE}").strip() == "active"


def test_an_entry_of_the_firmware_started_it(guest: Guest) -> None:
    """BootCurrent names an entry that is there: four bytes of attributes, then its number."""
    number = guest.check(f"od -An -tx2 -j4 -N2 {EFIVARS}/BootCurrent-{GLOBAL}").strip()
    guest.check(f"test -s {EFIVARS}/Boot{number.upper()}-{GLOBAL}")


def test_the_removable_path_is_the_signed_shim(guest: Guest) -> None:
    """Firmware that has never seen the disk starts this one."""
    guest.check("cmp /boot/efi/EFI/BOOT/BOOTAA64.EFI /usr/lib/shim/shimaa64.efi.signed")
