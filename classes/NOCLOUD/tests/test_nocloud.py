# SPDX-License-Identifier: GPL-2.0-or-later
"""Root is on the consoles without password, and cannot be reached by one over SSH."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import paramiko
import pytest

from builder.guest import ssh
from builder.guest.guest import Guest

# What somebody would try first; the empty one is what other images of this kind have.
GUESSES = ("", "root", "debian", "password")


@contextmanager
def stranger(guest: Guest) -> Iterator[paramiko.Transport]:
    """An SSH connection on which nobody is logged in yet."""
    limit = guest.limits.ssh
    with (
        socket.create_connection((ssh.HOST, guest.spec.ssh_port), timeout=limit) as line,
        closing(paramiko.Transport(line)) as opened,
    ):
        opened.banner_timeout = opened.auth_timeout = limit
        opened.start_client(timeout=limit)
        yield opened


@pytest.mark.needs_machine
def test_only_keys_are_taken(guest: Guest) -> None:
    # One connection for all: sshd makes strangers wait who try too often (PerSourcePenalties).
    with stranger(guest) as connection:
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            connection.auth_none("root")
        assert refused.value.allowed_types == ["publickey"]
        for guess in GUESSES:
            with pytest.raises(paramiko.AuthenticationException):
                connection.auth_password("root", guess, fallback=False)
            assert not connection.is_authenticated()


def test_root_cannot_be_given_an_empty_password_for_ssh(guest: Guest) -> None:
    settings = guest.check("sshd -T -C user=root").splitlines()
    assert "permitemptypasswords no" in settings
    assert "passwordauthentication no" in settings
    assert "kbdinteractiveauthentication no" in settings
    assert "permitrootlogin without-password" in settings


@pytest.mark.needs_machine
def test_root_is_logged_in_on_screen_and_serial_line(guest: Guest) -> None:
    processes = guest.check("ps -e -o tty=,user=,comm=").splitlines()
    shells = [line.split() for line in processes if "bash" in line]
    consoles = {tty for tty, user, _ in shells if user == "root"}
    assert "tty1" in consoles, processes
    assert any(tty.startswith(("ttyS", "ttyAMA", "hvc")) for tty in consoles), processes


def test_there_is_no_cloud_init(guest: Guest) -> None:
    assert guest.run("command -v cloud-init").returncode != 0
