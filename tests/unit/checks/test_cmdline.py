# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.cmdline`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.checks.spoil import (
    GRUB_CFG,
    GRUB_D,
    Bad,
    Change,
    append,
    assert_fails,
    remove,
    swap,
    write,
)

BAD: list[Bad] = [
    ("kernel-command-line boot-loader", "starts no kernel", write(GRUB_CFG, "")),
    ("kernel-command-line boot-loader", "starts no kernel", remove(GRUB_CFG)),
    (
        "kernel-command-line",
        "BASE: console=ttyS0 is missing in",
        swap(GRUB_CFG, "console=ttyS0", ""),
    ),
    (
        "kernel-command-line",
        "BASE: console=ttyS0 is not in GRUB's",
        write(GRUB_D, "GRUB_CMDLINE_LINUX=console=tty0\n"),
    ),
    ("kernel-command-line", "grub.cfg:2 lacks quiet", swap(GRUB_CFG, "quiet", "")),
    ("kernel-command-line", "grub.cfg:2 lacks nomodeset", swap(GRUB_D, "tty0 ", "tty0 nomodeset ")),
    (
        "kernel-command-line",
        "grub.cfg:2 lacks $(date)",
        append(GRUB_D, "GRUB_CMDLINE_LINUX+=x\nGRUB_CMDLINE_LINUX_DEFAULT='$(date)'\n"),
    ),
    ("kernel-command-line", "root=/dev/sda1", swap(GRUB_CFG, "root=UUID=12-34", "root=/dev/sda1")),
    ("kernel-command-line", "no root=", swap(GRUB_CFG, "root=UUID=12-34", "")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)
