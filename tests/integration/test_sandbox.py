# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox itself: who one is inside, what is seen outside, and what forbids it."""

from __future__ import annotations

import os
from pathlib import Path

from builder.install import sandbox
from builder.run import run
from tests.integration.harness import Account, Forge, in_private_mounts, only_root

# A uid that nobody has, and so no range of subordinate ids either.
NOBODYS_UID = 59_999


def test_inside_one_is_root_and_outside_sees_nothing() -> None:
    before = Path("/proc/self/mountinfo").read_text()
    script = "id -u; echo $$; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/log; hostname x"
    done = run([*sandbox._unshare(), "--", "sh", "-ec", script])
    assert done.output.split() == ["0", "1"]
    assert Path("/proc/self/mountinfo").read_text() == before
    assert os.uname().nodename != "x"


def test_it_can_be_made_here() -> None:
    sandbox.check()


def test_a_user_without_subordinate_ids(seed: Forge, home: Path) -> None:
    only_root("become a user that does not exist")
    account = Account(NOBODYS_UID, NOBODYS_UID)
    forge = Forge(seed.project, home / "none", home / "none-out", account.prefix)
    running = forge.build()
    assert running.process.returncode == 4, running.text
    assert running.said[0] == (
        f"fai-forge: {NOBODYS_UID} has no range in /etc/subuid, which building without root needs\n"
    )
    assert "usermod --add-subuids" in running.text
    assert not forge.out.exists()


def test_user_namespaces_are_forbidden(seed: Forge, home: Path, account: Account) -> None:
    """As where an administrator has set user.max_user_namespaces to 0: in a namespace, one may."""
    ranges = home / "ranges"
    ranges.write_text("1000:1:999\n")
    forbid = (
        f"mount --bind {ranges} /etc/subuid; mount --bind {ranges} /etc/subgid;"
        ' echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    )
    nested = ("unshare", "--map-auto", "--map-root-user", "--mount", "sh", "-ec", forbid, "sh")
    inner = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--")
    prefix = (*account.prefix, *nested, *inner)
    forge = Forge(seed.project, home / "none", home / "none-out", prefix)
    running = forge.build()
    assert running.process.returncode == 4, running.text
    assert running.said[0] == (
        "fai-forge: this machine does not let us make namespaces to build in\n"
    )
    assert "run as root: sysctl user.max_user_namespaces=9999" in running.text
    assert not forge.out.exists()


# What root of a container has with docker, if nothing else is said: no CAP_SYS_ADMIN.
CONTAINERS = "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw"
CONTAINERS += " sys_chroot mknod audit_write setfcap"
AS_CONTAINER = (
    "setpriv",
    ",".join(("--bounding-set=-all", *(f"+{name}" for name in CONTAINERS.split()))),
    "--",
)


def test_root_of_a_container_builds(seed: Forge, home: Path) -> None:
    only_root("lose capabilities")
    forge = Forge(seed.project, seed.cache, home / "capless-out", AS_CONTAINER)
    running = forge.build()
    assert running.process.returncode == 0, running.text
    (serial,) = forge.left()
    assert serial.isdigit()


def test_root_of_a_container_that_masks_proc(seed: Forge, home: Path) -> None:
    only_root("mask /proc")
    masked = in_private_mounts("mount -t tmpfs -o ro tmpfs /proc/bus")
    forge = Forge(seed.project, seed.cache, home / "masked-out", (*masked, *AS_CONTAINER))
    running = forge.build()
    assert running.process.returncode == 4, running.text
    assert "unshare: mount /proc failed" in running.text
    assert "docs/ci.md tells what it must allow" in running.text
