# SPDX-License-Identifier: GPL-2.0-or-later
"""A control group of version 2 for one container: made below our own, and removed with all in it.

systemd does not start without a group that it may write to. Processes end with their namespaces;
groups do not, so somebody has to remove them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

POINT = Path("/sys/fs/cgroup")
REMOVE_SECONDS = 20.0


def mount_point(table: str) -> Path | None:
    """Where version 2 is mounted, from the text of /proc/self/mounts."""
    rows = (line.split() for line in table.splitlines())
    return next((Path(row[1]) for row in rows if row[2] == "cgroup2"), None)


def own_path(table: str) -> str:
    """Our own group, from the text of /proc/self/cgroup; relative to the mount point."""
    line = next((each for each in table.splitlines() if each.startswith("0::")), "0::/")
    return line.removeprefix("0::").strip("/")


def make(name: str) -> Path:
    """Make the group `name` below the one that we are in; OSError where we may not.

    Where the host has not mounted version 2, root mounts it: this is for a process with a mount
    namespace of its own.
    """
    point = mount_point(Path("/proc/self/mounts").read_text(encoding="utf-8"))
    if point is None:
        point = POINT
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", point], check=False)
    group = point / own_path(Path("/proc/self/cgroup").read_text(encoding="utf-8")) / name
    group.mkdir(exist_ok=True)
    return group


def join(group: Path) -> None:
    """Move this process into a group."""
    (group / "cgroup.procs").write_text("0", encoding="ascii")


def remove(group: Path) -> bool:
    """End all processes of a group, and remove it with those below; False where some stay."""
    # Since Linux 5.14; before, they end with their namespaces alone.
    with (
        contextlib.suppress(OSError),
        (group / "cgroup.kill").open("r+", encoding="ascii") as file,
    ):
        file.write("1")
    deadline = time.monotonic() + REMOVE_SECONDS
    while group.exists():
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
