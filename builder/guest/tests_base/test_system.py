# SPDX-License-Identifier: GPL-2.0-or-later
"""The system as a whole: units, cloud-init, identity, disk, clock, kernel log."""

from __future__ import annotations

import re
from typing import Any

import pytest

from builder.guest.console import search
from builder.guest.guest import Guest

MIB = 1 << 20
CLOCKS = ("systemd-timesyncd", "chrony", "ntpsec", "openntpd")


def test_no_failed_units(guest: Guest) -> None:
    """systemd started everything that it was told to."""
    assert guest.check("systemctl list-units --failed --plain --no-legend").strip() == ""


def test_system_is_running(guest: Guest) -> None:
    """No job of the start is left waiting."""
    assert guest.run("systemctl is-system-running").stdout.strip() == "running"


@pytest.mark.needs_cloud_init
def test_cloud_init_is_content(guest: Guest) -> None:
    """cloud-init found our seed and had nothing to complain about (2 means recoverable errors)."""
    answer = guest.run("cloud-init status --long")
    assert answer.returncode == 0, answer.stdout
    assert "DataSourceNoCloud" in answer.stdout


def test_machine_id_is_fresh(guest: Guest, host: Any) -> None:
    """The machine id was made on this boot, not in the build."""
    machine_id = host.file("/etc/machine-id")
    assert re.fullmatch(r"[0-9a-f]{32}\n", machine_id.content_string)
    assert machine_id.mtime.timestamp() >= guest.started - 1


@pytest.mark.needs_machine
def test_root_grew_to_the_disk(guest: Guest) -> None:
    """The last partition and its file system fill the disk, which is larger than the image."""
    source = guest.check("findmnt -no SOURCE /").strip()
    name = source.removeprefix("/dev/")
    disk = guest.check(f"lsblk -no PKNAME {source}").strip()
    sectors = guest.check(f"cd /sys/class/block; cat {name}/start {name}/size {disk}/size")
    start, size, whole = (int(number) * 512 for number in sectors.split())
    assert whole - (start + size) <= 2 * MIB
    # df counts neither the journal nor the inode tables.
    usable = int(guest.check("df --output=size -B1 /").split()[-1])
    assert usable >= 0.9 * size


@pytest.mark.needs_machine
def test_a_clock_service_runs(host: Any) -> None:
    """Something keeps the time."""
    running = [name for name in CLOCKS if host.service(name).is_running]
    assert len(running) == 1, f"running: {running}"


@pytest.mark.guest_stage("rebooted")
def test_no_failed_units_after_reboot(guest: Guest) -> None:
    """What runs on the first boot only must not break the second."""
    assert guest.check("systemctl list-units --failed --plain --no-legend").strip() == ""


@pytest.mark.needs_machine
def test_kernel_log_is_clean(guest: Guest) -> None:
    """dmesg has none of the lines that are bad on a console."""
    assert [str(hit) for hit in search(guest.check("dmesg"))] == []
