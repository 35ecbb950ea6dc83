# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a guest: upgrade, reboot, power off. These tests come last, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.guest.guest import Guest

# An upgrade of the boot loaders is what this does: the package's postinst writes both kinds to the
# disk and makes the menu anew.
UPGRADE_GRUB = "dpkg-reconfigure --frontend noninteractive grub-cloud-amd64"
MINUTES = 60.0
# Where the packages go in the guest; /root is ours alone.
FOLDER = "/root"


@pytest.mark.needs_deb
@pytest.mark.guest_stage("changed")
def test_packages_install_again(guest: Guest, upgrade_debs: list[Path]) -> None:
    """The packages (such as the kernel) go in once more; their hooks make initrd and menu anew."""
    for deb in upgrade_debs:
        guest.put(deb, f"{FOLDER}/{deb.name}")
    names = " ".join(f"{FOLDER}/{deb.name}" for deb in upgrade_debs)
    begin = int(guest.check("date +%s"))
    guest.check(f"DEBIAN_FRONTEND=noninteractive dpkg -i {names}", timeout=10 * MINUTES)
    guest.check(UPGRADE_GRUB, timeout=5 * MINUTES)
    # The packages' own hooks have made initrd and menu: they are not those of the build.
    made = "/boot/grub/grub.cfg /boot/initrd.img-$(uname -r)"
    assert all(int(when) >= begin for when in guest.check(f"stat -c %Y {made}").split())


@pytest.mark.guest_stage("reboot")
def test_reboots_and_comes_back(guest: Guest) -> None:
    """A new boot, by the same disk, with the same host keys (others would be refused)."""
    guest.reboot()
    assert guest.run("systemctl is-system-running").stdout.strip() == "running"


@pytest.mark.guest_stage("off")
def test_powers_off(guest: Guest) -> None:
    """The guest ends by itself, cleanly."""
    guest.poweroff()


@pytest.mark.guest_stage("off")
def test_the_console_is_clean(guest: Guest) -> None:
    """From the firmware to the end, nothing bad was written."""
    assert [str(hit) for hit in guest.console_hits()] == []
