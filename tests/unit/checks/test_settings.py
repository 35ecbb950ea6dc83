# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.settings`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.checks.spoil import Bad, Change, append, assert_fails, failures, remove, swap, write
from tests.unit.checks.tree import put, settle

BAD: list[Bad] = [
    (
        "image-release",
        "ID in /etc/cloud-release is missing, not debian-13",
        remove("etc/cloud-release"),
    ),
    (
        "image-release",
        "VERSION in /etc/cloud-release is 20261120, not",
        swap("etc/cloud-release", "20261121", "20261120"),
    ),
    ("locale", "sets no LANG", write("etc/default/locale", "# LANG=C.UTF-8\n")),
    ("locale", "sets no LANG", remove("etc/default/locale")),
    ("locale", "POSIX, which is not UTF-8", write("etc/default/locale", "LANG=POSIX\n")),
    (
        "locale",
        "de_DE.UTF-8, which this image does not have",
        write("etc/default/locale", "LANG=de_DE.UTF-8\n"),
    ),
    ("locale", "LC_ALL", append("etc/default/locale", "LC_ALL=C.UTF-8\n")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)


def test_other_locales_that_are_there(tree: Path) -> None:
    put(tree, "etc/default/locale", 'LANG="de_DE.UTF-8"\n')
    put(tree, "etc/locale.gen", "# en_US.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n")
    settle(tree)
    assert failures(tree) == {}
