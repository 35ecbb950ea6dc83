# SPDX-License-Identifier: GPL-2.0-or-later
"""Host keys from the console, and the key of one run."""

from __future__ import annotations

import io

import paramiko
import pytest

from builder.guest import ssh

GOOD = ssh.ClientKey.fresh().public.split()[1]


def block(*lines: str) -> str:
    return "\n".join(["noise", ssh.KEYS_BEGIN, *lines, ssh.KEYS_END, "login: "])


def test_keys_are_read_from_the_block() -> None:
    keys = ssh.host_keys(block(f"ssh-ed25519 {GOOD} root@localhost"))
    assert keys == (ssh.HostKey("ssh-ed25519", GOOD),)


def test_a_key_outside_of_the_block_is_not_believed() -> None:
    assert ssh.host_keys(f"ssh-ed25519 {GOOD} root@localhost\n" + block()) == ()


def test_an_unfinished_block_is_waited_for() -> None:
    text = block(f"ssh-ed25519 {GOOD} root@localhost")
    assert ssh.host_keys(text.split(ssh.KEYS_END)[0]) is None
    assert ssh.host_keys("login: ") is None


@pytest.mark.parametrize(
    "line",
    [
        f"ssh-ed25519 {GOOD[:30]}[   12.3] random: crng init done",
        f"ssh-rsa {GOOD} root@localhost",
        "ssh-ed25519 AAAA= root@localhost",
    ],
    # The key is another one in each process that collects these tests.
    ids=["cut off", "of another kind", "too short"],
)
def test_damaged_keys_are_left_out(line: str) -> None:
    sound = ssh.HostKey("ssh-ed25519", GOOD)
    assert ssh.host_keys(block(line, f"ssh-ed25519 {GOOD} root@h")) == (sound,)


def test_every_run_has_its_own_key() -> None:
    one, other = ssh.ClientKey.fresh(), ssh.ClientKey.fresh()
    assert one.public != other.public
    loaded = paramiko.Ed25519Key.from_private_key(io.StringIO(one.private))
    assert loaded.get_base64() == one.public.split()[1]


def test_known_hosts_names_the_port() -> None:
    text = ssh.known_hosts(2222, [ssh.HostKey("ssh-ed25519", GOOD)])
    assert text == f"[127.0.0.1]:2222 ssh-ed25519 {GOOD}\n"
