# SPDX-License-Identifier: GPL-2.0-or-later
"""The SSH server: keys of its own, made here, that nobody else can read; no passwords."""

from __future__ import annotations

from typing import Any

from builder.guest.guest import Guest


def test_host_keys_are_fresh_and_private(guest: Guest, host: Any) -> None:
    """Every private host key was made on this boot and has mode 0600."""
    keys = guest.check("ls /etc/ssh/ssh_host_*_key").split()
    assert keys
    for path in keys:
        key = host.file(path)
        assert (key.mode, key.user) == (0o600, "root"), path
        assert key.mtime.timestamp() >= guest.started - 1, f"{path} is older than the boot"


def test_the_server_shows_the_keys_of_the_console(guest: Guest) -> None:
    """What was printed is what lies in /etc/ssh, all of it."""
    inside = {
        line.split()[1] for line in guest.check("cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    }
    assert {key.blob for key in guest.host_keys} <= inside


def test_no_passwords(guest: Guest) -> None:
    """sshd offers keys only."""
    # Debian 14's OpenSSH writes the keywords as they are documented, older ones in lower case.
    settings = guest.check("sshd -T").lower().splitlines()
    assert "passwordauthentication no" in settings
    assert "permitemptypasswords no" in settings
