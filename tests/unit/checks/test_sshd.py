# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.sshd`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.checks.spoil import (
    DROP_IN,
    SSHD_CONFIG,
    Bad,
    Change,
    append,
    assert_fails,
    prepend,
    remove,
    swap,
    write,
)
from tests.unit.checks.tree import SSHD

BAD: list[Bad] = [
    ("sshd-passwords", "not set", remove(DROP_IN)),
    ("sshd-passwords", "yes in /etc/ssh", write(DROP_IN, "passwordauthentication = YES\n")),
    (
        # The first value counts: the drop-in's "no" comes too late.
        "sshd-passwords",
        "/etc/ssh/sshd_config:1",
        prepend(SSHD_CONFIG, "PasswordAuthentication yes # for now\n"),
    ),
    (
        # What stands in a Match block is not set for all.
        "sshd-passwords",
        "passwordauthentication is not set",
        write(DROP_IN, "Match User x\n PasswordAuthentication no\n"),
    ),
    (
        "sshd-passwords",
        "/etc/ssh/sshd_config:6",
        append(SSHD_CONFIG, "Match User x\nPasswordAuthentication yes\n"),
    ),
    (
        "sshd-passwords",
        "kbdinteractiveauthentication",
        write(SSHD_CONFIG, SSHD.replace("KbdInteractiveAuthentication no", "")),
    ),
    (
        "sshd-passwords",
        "kbdinteractiveauthentication is yes",
        prepend(SSHD_CONFIG, "ChallengeResponseAuthentication yes\n"),
    ),
    ("sshd-passwords", "permitempty", append(DROP_IN, "PermitEmptyPasswords yes\n")),
    (
        "authorized-keys stray-paths",
        "/root/.ssh",
        write("root/.ssh/authorized_keys", "ssh-ed25519 x\n"),
    ),
    ("authorized-keys", "/var/lib/chrony/.ssh", write("var/lib/chrony/.ssh/authorized_keys2", "x")),
    ("authorized-keys", "/etc/skel/.ssh", write("etc/skel/.ssh/authorized_keys", "x")),
    (
        "authorized-keys",
        "/etc/ssh/authorized_keys.d/root",
        write("etc/ssh/authorized_keys.d/root", "x"),
    ),
    (
        "sshd-root",
        "permitrootlogin is yes in /etc/ssh/sshd_config.d/10-keys.conf:2",
        append(DROP_IN, "PermitRootLogin yes\n"),
    ),
    (
        "sshd-root class-content",
        "permitrootlogin is yes in /etc/ssh/sshd_config:6",
        append(SSHD_CONFIG, "Match Address 10.0.0.0/8\nPermitRootLogin yes\n"),
    ),
    (
        "sshd-trust",
        "hostbasedauthentication is yes",
        append(DROP_IN, "HostbasedAuthentication yes\n"),
    ),
    ("sshd-trust", "strictmodes is no", append(DROP_IN, "StrictModes no\n")),
    (
        "sshd-trust",
        "/etc/default/ssh:2 gives sshd",
        swap("etc/default/ssh", "OPTS=", "OPTS='-o PermitRootLogin=yes'"),
    ),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)
