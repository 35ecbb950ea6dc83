# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks of real machines: RAID and LVM work, and nothing fails where the hardware is missing."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest

pytestmark = pytest.mark.needs_machine

FOLDER = "/var/tmp/baremetal"  # noqa: S108 - in the guest
SETUP = f"""
set -e
mkdir {FOLDER} && cd {FOLDER}
for disk in a b; do truncate -s 64M $disk; losetup --find --show $disk; done > loops
mdadm --create /dev/md/probe --run --level=1 --raid-devices=2 --metadata=1.2 $(cat loops)
pvcreate /dev/md/probe
vgcreate probe /dev/md/probe
lvcreate --yes --name disk --size 16M probe
mkfs.ext4 -q /dev/probe/disk
"""
TEARDOWN = f"""
vgremove --yes probe
mdadm --stop /dev/md/probe
losetup --detach $(cat {FOLDER}/loops)
rm -r {FOLDER}
"""


@pytest.mark.guest_stage("changed")
def test_a_volume_on_a_mirror(guest: Guest) -> None:
    """A RAID 1 of two loop devices holds a volume group with a file system."""
    try:
        guest.check(SETUP)
        assert "[UU]" in guest.check("mdadm --wait /dev/md/probe; cat /proc/mdstat")
        assert guest.check("blkid -s TYPE -o value /dev/probe/disk").strip() == "ext4"
    finally:
        guest.run(TEARDOWN)


def test_no_bmc_is_no_failure(guest: Guest) -> None:
    """ipmitool says so in words; nothing has loaded a driver for what is not there."""
    if guest.run("test -e /dev/ipmi0").returncode != 0:
        assert guest.run("ipmitool mc info").returncode == 1
        assert guest.run("systemctl is-enabled ipmievd").stdout.strip() == "disabled"
    else:
        guest.check("ipmitool mc info")
