# SPDX-License-Identifier: GPL-2.0-or-later
"""The SSH server's own keys: made here, readable by nobody else."""

from __future__ import annotations

from builder.guest.guest import Guest


def test_host_keys_are_fresh_and_private(guest: Guest) -> None:
    """Every private host key was made on this boot and has mode 0600."""
    for line in guest.check("stat -c '%n %a %U %Y' /etc/ssh/ssh_host_*_key").splitlines():
        path, mode, user, made = line.split()
        assert (mode, user) == ("600", "root"), path
        assert int(made) >= guest.started - 1, f"{path} is older than the boot"


def test_the_server_shows_the_keys_of_the_console(guest: Guest) -> None:
    """What was printed is what lies in /etc/ssh, all of it."""
    inside = {
        line.split()[1] for line in guest.check("cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    }
    assert {key.blob for key in guest.host_keys} <= inside
