# SPDX-License-Identifier: GPL-2.0-or-later
"""A 64-bit RISC-V machine: its kernel, the serial console, and how UEFI started it."""

from __future__ import annotations

from builder.guest.guest import Guest

CONSOLE = "ttyS0"


def test_the_kernel_is_for_the_architecture(guest: Guest) -> None:
    assert guest.check("uname -m; dpkg --print-architecture").split() == ["riscv64", "riscv64"]
    assert guest.check("uname -r").strip().endswith("-riscv64")


def test_the_serial_line_is_the_console(guest: Guest) -> None:
    """systemd writes to the last console of the command line, and somebody can log in there."""
    consoles = [word for word in guest.check("cat /proc/cmdline").split() if "console=" in word]
    assert consoles[-1].startswith(f"console={CONSOLE}")
    assert CONSOLE in guest.check("cat /sys/class/tty/console/active").split()
    assert guest.check(f"systemctl is-active serial-getty@{CONSOLE}").strip() == "active"


def test_uefi_started_the_removable_path(guest: Guest) -> None:
    """U-Boot keeps no entries, so nothing else can have been started."""
    guest.check("test -d /sys/firmware/efi")
    guest.check("test -s /boot/efi/EFI/BOOT/BOOTRISCV64.EFI")
