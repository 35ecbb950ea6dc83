# SPDX-License-Identifier: GPL-2.0-or-later
"""The system as a whole: units, cloud-init, identity, disk, clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from builder.guest import starting
from builder.guest.guest import Guest

MIB = 1 << 20
CLOCKS = ("systemd-timesyncd", "chrony", "ntpsec", "openntpd")
# How many of the units that took longest are reported.
SLOWEST = 10
# Where each of them has its servers (systemd-timesyncd's may be built in).
SERVERS = {
    "systemd-timesyncd": "timedatectl show-timesync | grep 'NTPServers=.'",
    "chrony": "chronyc -n sources | grep '^[\\^]'",
    "ntpsec": "grep -E '^(server|pool) ' /etc/ntpsec/ntp.conf",
    "openntpd": "grep -E '^servers? ' /etc/openntpd/ntpd.conf",
}


def test_no_failed_units(guest: Guest) -> None:
    """systemd started everything that it was told to."""
    assert guest.check("systemctl list-units --failed --plain --no-legend").strip() == ""


def test_system_is_running(guest: Guest) -> None:
    """No job of the start is left waiting."""
    assert guest.run("systemctl is-system-running").stdout.strip() == "running"


def test_boot_time_is_reported(
    guest: Guest, record_property: Callable[[str, object], None]
) -> None:
    """How long the start took, and its slowest units, go into the report; no time is too long."""
    time = guest.check("systemd-analyze time").splitlines()[0]
    assert time.startswith("Startup finished in ")
    slowest = starting.slowest(guest.check(starting.COMMAND))
    assert slowest
    record_property("boot time", time.removeprefix("Startup finished in ").strip())
    units = (f"{each.unit} {each.seconds:.1f} s" for each in slowest[:SLOWEST])
    record_property("slowest units", ", ".join(units))


@pytest.mark.needs_cloud_init
def test_cloud_init_is_content(guest: Guest) -> None:
    """cloud-init found our seed and had nothing to complain about, neither errors nor warnings."""
    answer = guest.run("cloud-init status --format json")
    told = json.loads(answer.stdout)
    assert told["errors"] == []
    # Older ones than 23.4 do not tell these apart.
    assert told.get("recoverable_errors", {}) == {}
    assert (told["status"], told["datasource"], answer.returncode) == ("done", "nocloud", 0)


def test_machine_id_is_fresh(guest: Guest) -> None:
    """The machine id was made on this boot, not in the build."""
    machine_id, made = guest.check("cat /etc/machine-id; stat -c %Y /etc/machine-id").split()
    assert re.fullmatch(r"[0-9a-f]{32}", machine_id)
    assert int(made) >= guest.started - 1


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
def test_a_clock_service_runs(guest: Guest) -> None:
    """Exactly one program keeps the time, and knows servers to ask; none can be reached here."""
    states = guest.run(f"systemctl is-active {' '.join(CLOCKS)}").stdout.split()
    running = [name for name, state in zip(CLOCKS, states, strict=True) if state == "active"]
    assert len(running) == 1, f"running: {running}"
    guest.check(SERVERS[running[0]])
    assert "NTP=yes" in guest.check("timedatectl show --property NTP")


@pytest.mark.guest_stage("rebooted")
def test_no_failed_units_after_reboot(guest: Guest) -> None:
    """What runs on the first boot only must not break the second."""
    assert guest.check("systemctl list-units --failed --plain --no-legend").strip() == ""
