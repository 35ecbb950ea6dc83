# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.software`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.checks.spoil import Bad, Change, append, assert_fails, swap, write


def package(name: str, status: str) -> str:
    return f"\nPackage: {name}\nStatus: {status}\nArchitecture: all\nVersion: 1\n"


BAD: list[Bad] = [
    (
        "packages-finished",
        "half: install ok unpacked",
        append("var/lib/dpkg/status", package("half", "install ok unpacked")),
    ),
    (
        "packages-finished",
        "held is on hold",
        append("var/lib/dpkg/status", package("held", "hold ok installed")),
    ),
    (
        "packages-finished",
        "gone was removed",
        append("var/lib/dpkg/status", package("gone", "deinstall ok config-files")),
    ),
    (
        "packages-promised",
        "BASE: bash is not",
        swap("var/lib/dpkg/status", "Package: bash", "Package: dash"),
    ),
    ("foreign-programs", "/usr/bin/own comes from no package", write("usr/bin/own")),
    (
        "foreign-programs",
        "/usr/sbin/sshd comes",
        swap("var/lib/dpkg/info/bash.list", "/usr/sbin/sshd\n", ""),
    ),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)
