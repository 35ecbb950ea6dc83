# SPDX-License-Identifier: GPL-2.0-or-later
"""A little-endian POWER machine: its kernel, the hypervisor's console, and Open Firmware."""

from __future__ import annotations

from builder.guest.guest import Guest

CONSOLE = "hvc0"
# The partition that Open Firmware reads its boot loader from.
PREP = "9e1a2d38-c612-4316-aa26-8b49521e5a8b"


def test_the_kernel_is_for_the_architecture(guest: Guest) -> None:
    assert guest.check("uname -m; dpkg --print-architecture").split() == ["ppc64le", "ppc64el"]
    # Such as 6.12.94+deb13-powerpc64le; there is another, with larger pages.
    assert guest.check("uname -r").strip().endswith("-powerpc64le")


def test_the_line_of_the_hypervisor_is_the_console(guest: Guest) -> None:
    """systemd writes to the last console of the command line, and somebody can log in there."""
    consoles = [word for word in guest.check("cat /proc/cmdline").split() if "console=" in word]
    assert consoles[-1].startswith(f"console={CONSOLE}")
    assert CONSOLE in guest.check("cat /sys/class/tty/console/active").split()
    assert guest.check(f"systemctl is-active serial-getty@{CONSOLE}").strip() == "active"


def test_open_firmware_started_it(guest: Guest) -> None:
    """Its device tree is there, EFI is not, and the disk has a PReP partition."""
    guest.check("test -d /proc/device-tree/rtas")
    guest.check("test ! -e /sys/firmware/efi")
    assert PREP in guest.check("lsblk --noheadings --output PARTTYPE").split()
