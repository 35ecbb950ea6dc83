# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.accounts`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.classes import ClassPromise
from tests.unit.checks.spoil import Bad, Change, append, assert_fails, both, failures, swap
from tests.unit.checks.tree import BASE, PROMISE, settle


def account(line: str) -> Change:
    """Add an account to passwd and shadow."""
    name = line.partition(":")[0]
    return both(append("etc/passwd", f"{line}\n"), append("etc/shadow", f"{name}:!*::::::\n"))


BAD: list[Bad] = [
    ("root-locked", "root has a password", swap("etc/shadow", "root:!*:", "root:$y$j9T$x:")),
    ("root-locked", "but has", swap("etc/shadow", "root:!*:", "root:!$y$j9T$x:")),
    ("root-locked", "needs no password", swap("etc/shadow", "root:!*:", "root::")),
    ("root-locked account-files", "no line", swap("etc/shadow", "root:!*:19675::::::\n", "")),
    ("no-passwords", "sync has a password", swap("etc/shadow", "sync:!*:", "sync:$y$x:")),
    ("no-passwords", "sync needs no password", swap("etc/shadow", "sync:!*:", "sync::")),
    (
        "no-passwords",
        "sync has a password in /etc/passwd",
        swap("etc/passwd", "sync:x:", "sync:abc:"),
    ),
    (
        "one-superuser account-files powerful-groups",
        "_toor",
        both(append("etc/passwd", "_toor:x:00:0::/:/bin/false\n")),
    ),
    ("accounts", "eve is an account that nobody", account("eve:x:200:65534::/:/bin/false")),
    ("accounts", "_eve has the user id 54321", account("_eve:x:54321:65534::/:/bin/false")),
    ("accounts", "_eve has the shell /bin/sh", account("_eve:x:200:65534::/:/bin/sh")),
    (
        "accounts",
        "_eve has the shell /bin/sh, which is the default",
        account("_eve:x:200:65534::/:"),
    ),
    ("accounts", "sync has the shell /bin/bash", swap("etc/passwd", "/bin/sync", "/bin/bash")),
    (
        "powerful-groups",
        "_chrony is in the group sudo",
        swap("etc/group", "sudo:x:27:", "sudo:x:27:_chrony"),
    ),
    (
        "powerful-groups",
        "sync is in the group sudo",
        swap("etc/group", "sudo:x:27:", "sudo:x:27:_chrony, sync"),
    ),
    (
        "powerful-groups",
        "_eve has the group sudo as its own",
        account("_eve:x:200:27::/:/bin/false"),
    ),
    (
        "account-files",
        "_chrony is in /etc/passwd twice",
        append("etc/passwd", "_chrony:x:300:101::/:/bin/false\n"),
    ),
    (
        "account-files",
        "the user id 100 is in /etc/passwd twice",
        account("_eve:x:100:101::/:/bin/false"),
    ),
    ("account-files", "sudo is in /etc/group twice", append("etc/group", "sudo:x:300:\n")),
    (
        "account-files",
        "the group id 27 is in /etc/group twice",
        both(append("etc/group", "_eve:x:27:\n"), append("etc/gshadow", "_eve:!::\n")),
    ),
    (
        "account-files",
        "_eve is in /etc/passwd, not in /etc/shadow",
        append("etc/passwd", "_eve:x:200:101::/:/bin/false\n"),
    ),
    ("account-files", "_eve is in /etc/shadow only", append("etc/shadow", "_eve:!::::::\n")),
    ("account-files", "_eve is in /etc/gshadow only", append("etc/gshadow", "_eve:!::\n")),
    ("account-files", "_eve has the group id 300", account("_eve:x:200:300::/:/bin/false")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)


def test_a_class_can_bring_an_account(tree: Path) -> None:
    account("eve:x:200:65534::/:/bin/false")(tree)
    settle(tree)
    promised = ClassPromise("EVE", users=("eve",))
    assert failures(tree, replace(PROMISE, classes=(BASE, promised))) == {}
