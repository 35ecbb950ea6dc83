# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a guest: upgrade, reboot, power off. These tests come last, in this order."""

from __future__ import annotations

import pytest

from builder.guest.archive import FOLDER, LocalArchive
from builder.guest.filesystem import SECTOR, Ext4State, ext4_state, superblock_at
from builder.guest.guest import Guest
from builder.guest.kernel import OWNER

# An upgrade of the boot loaders is what this does: the package's postinst writes all kinds to the
# disk and makes the menu anew. By architecture, the package that installs GRUB.
UPGRADE_GRUB = "dpkg-reconfigure --frontend noninteractive {package}"
GRUBS = {
    "amd64": "grub-cloud-amd64",
    "arm64": "grub-cloud-arm64",
    "ppc64el": "grub-ieee1275",
    "riscv64": "grub-efi-riscv64",
}
MINUTES = 60.0


@pytest.mark.needs_deb
@pytest.mark.needs_machine
@pytest.mark.guest_stage("changed")
def test_the_updated_kernel_can_be_booted(guest: Guest, archive: LocalArchive) -> None:
    """The kernel's hooks made initrd and menu anew; then the boot loaders are written again."""
    kernel = guest.check(OWNER).partition(":")[0]
    assert kernel in archive.upgrades
    guest.check(UPGRADE_GRUB.format(package=GRUBS[guest.arch]), timeout=5 * MINUTES)
    # The archive's settings came into the guest before the update; what the build made is older.
    files = f"{FOLDER} /boot/grub/grub.cfg /boot/initrd.img-$(uname -r)"
    begin, *made = map(int, guest.check(f"stat -c %Y {files}").split())
    assert all(when >= begin for when in made)


@pytest.mark.guest_stage("reboot")
def test_reboots_and_comes_back(guest: Guest) -> None:
    """A new boot, by the same disk, with the same host keys (others would be refused)."""
    guest.reboot()
    assert guest.run("systemctl is-system-running").stdout.strip() == "running"


@pytest.fixture(scope="session")
def root_start(guest: Guest) -> int:
    """Where the root file system starts on the disk, in bytes; asked while the guest still runs."""
    sectors = guest.check("cat /sys/class/block/$(basename $(findmnt -no SOURCE /))/start")
    return int(sectors) * SECTOR


@pytest.mark.needs_machine
@pytest.mark.usefixtures("root_start")
@pytest.mark.guest_stage("off")
def test_powers_off(guest: Guest) -> None:
    """The guest ends by itself, cleanly."""
    guest.poweroff()


@pytest.mark.needs_machine
@pytest.mark.guest_stage("off")
def test_the_root_was_unmounted(guest: Guest, root_start: int) -> None:
    """Nothing kept the root file system busy at the end: its journal need not be replayed."""
    state = ext4_state(superblock_at(guest.spec.disk, root_start))
    # Other kinds of file systems are not looked into.
    assert state in (None, Ext4State(clean=True, replay=False))


@pytest.mark.guest_stage("off")
def test_the_console_is_clean(guest: Guest) -> None:
    """From the firmware to the end, nothing bad was written."""
    assert [str(hit) for hit in guest.console_hits()] == []
