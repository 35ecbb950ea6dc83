# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.permissions`, each seen failing on every kind of bad tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.checks import permissions
from tests.unit.checks.spoil import Bad, Change, assert_fails, failures, mode, write

BAD: list[Bad] = [
    ("world-writable", "/etc/hostname has mode 0666", mode("etc/hostname", 0o666)),
    ("world-writable", "/etc has mode 0777", mode("etc", 0o777)),
    ("world-writable", "/var/lib/dbus has mode 0777", mode("var/lib/dbus", 0o777)),
    ("world-writable", "/usr/share has mode 0777", mode("usr/share", 0o777)),
    ("setuid", "/usr/bin/ls has mode 4755", mode("usr/bin/ls", 0o4755)),
    ("setuid", "/usr/bin/ls has mode 2755", mode("usr/bin/ls", 0o2755)),
    ("special-files", "/var/lib/pipe is a pipe", lambda tree: os.mkfifo(tree / "var/lib/pipe")),
    (
        "known-owners account-files",
        "user id",
        write("etc/passwd", ""),
    ),
    ("known-owners account-files", "group id", write("etc/group", "other:x:99999:\n")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)


def test_capabilities_are_reviewed_as_well(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only root can give them to a file.
    capable = {tree / "usr/bin/ls", tree / "usr/bin/own-helper"}
    monkeypatch.setattr(
        os, "listxattr", lambda path: [permissions.CAPABILITIES] if path in capable else []
    )
    assert failures(tree) == {"setuid": "/usr/bin/ls has capabilities"}
