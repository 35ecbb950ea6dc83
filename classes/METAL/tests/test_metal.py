# SPDX-License-Identifier: GPL-2.0-or-later
"""A real machine's image: drivers of other machines in the initramfs, both consoles."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest

pytestmark = pytest.mark.needs_machine

# Controllers that no guest has: RAID, SAS, NVMe, SATA.
DRIVERS = ("megaraid_sas", "mpt3sas", "nvme", "ahci")


def test_the_initramfs_has_drivers_of_real_machines(guest: Guest) -> None:
    """Storage that this guest does not have is found by the kernel that it started with."""
    content = guest.check("lsinitramfs /boot/initrd.img-$(uname -r)").splitlines()
    modules = {path.rsplit("/", 1)[-1].split(".ko")[0] for path in content if ".ko" in path}
    assert [name for name in DRIVERS if name not in modules] == []


def test_the_initramfs_has_microcode(guest: Guest) -> None:
    """It is there for all processors, not just for those of the machine that built the image."""
    if guest.arch == "amd64":
        content = guest.check("lsinitramfs /boot/initrd.img-$(uname -r)")
        for vendor in ("GenuineIntel", "AuthenticAMD"):
            assert f"kernel/x86/microcode/{vendor}.bin" in content


def test_screen_and_serial_line_are_consoles(guest: Guest) -> None:
    """The kernel writes to both, and both offer a login."""
    consoles = guest.check("cat /sys/class/tty/console/active").split()
    assert "tty0" in consoles
    serial = [name for name in consoles if name != "tty0"]
    assert serial
    for name in ("getty@tty1", *(f"serial-getty@{line}" for line in serial)):
        assert guest.run(f"systemctl is-active {name}").stdout.strip() == "active", name
