# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.identity`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.checks.spoil import Bad, Change, append, assert_fails, link, remove, swap, write

BAD: list[Bad] = [
    ("machine-id", "0123abcd", write("etc/machine-id", "0123abcd\n")),
    ("machine-id", "dbus", write("var/lib/dbus/machine-id", "0123abcd\n")),
    ("ssh-host-keys", "ed25519", write("etc/ssh/ssh_host_ed25519_key")),
    ("ssh-host-keys", "rsa_key.pub", write("etc/ssh/ssh_host_rsa_key.pub")),
    ("unique-files", "random pool", write("var/lib/systemd/random-seed")),
    ("unique-files", "cloud-init", write("var/lib/cloud/instances/i-1/x")),
    ("resolv-conf", "is a file", write("etc/resolv.conf", "nameserver 192.0.2.1\n")),
    ("resolv-conf", "missing", remove("etc/resolv.conf")),
    ("resolv-conf", "/run/other", link("etc/resolv.conf", "/run/other")),
    ("hostname", "build-host", write("etc/hostname", "build-host\n")),
    ("unique-files", "the same address", write("var/lib/dhcp/dhclient.leases")),
    (
        "unique-files",
        "storage servers",
        write("etc/iscsi/initiatorname.iscsi", "# x\nInitiatorName=iqn.1993\n"),
    ),
    ("hosts", "/etc/hosts:5 names 10.0.0.1", append("etc/hosts", "10.0.0.1 build-host\n")),
    ("hosts", "/etc/hosts:5 names 127.0.1.1", append("etc/hosts", "127.0.1.1 build-host\n")),
    (
        "hosts",
        "/etc/hosts:1 calls 127.0.0.1 build-host",
        swap("etc/hosts", "localhost\n", "localhost build-host # x\n"),
    ),
    ("hosts", "/etc/hosts:5 names ::1, as line 3 does", append("etc/hosts", "::1 localhost\n")),
    (
        "hosts",
        "/etc/hosts:3 does not call ::1 localhost",
        swap("etc/hosts", "localhost ip6-localhost", "ip6-localhost"),
    ),
    ("hosts", "does not name 127.0.0.1", swap("etc/hosts", "127.0.0.1\tlocalhost\n", "")),
    ("hosts", "does not name ::1", remove("etc/hosts")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)
