# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of `fai-forge list` fits a narrow terminal, and says everything in a wide one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder import cli
from builder.cli.listing import HEADINGS, _Row, table

ROWS = [
    _Row(
        name="debian-13-hypervisor",
        title="Debian 13 (trixie), hosts of virtual machines, and more",
        listed=True,
        channel="release",
        policy="reboot-required",
        formats=("qcow2", "raw.xz"),
        classes=("DEBIAN", "SYSTEM", "TRIXIE", "AMD64", "BOOT", "NETPLAN", "SSHD", "GENERIC"),
        serials=("20261119", "20261121.1"),
    ),
    _Row("debian-13", "Debian 13 (trixie)", True, "release", "always", ("raw",), ("DEBIAN",), ()),
]


def test_a_wide_terminal_has_a_line_for_each() -> None:
    for width in (200, None):
        heading, first, second = table(ROWS, width)
        assert tuple(heading.split()) == HEADINGS
        for cell in ("20261121.1", "qcow2,raw.xz", "TRIXIE AMD64 BOOT NETPLAN", "and more"):
            assert cell in first
            assert first.index("reboot") == second.index("always") == heading.index("POLICY")


@pytest.mark.parametrize("width", [72, 80, 100])
def test_a_narrow_terminal_has_all_but_long_titles(width: int) -> None:
    lines = list(table(ROWS, width))
    assert max(len(line) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    for row in ROWS:
        assert f"{','.join(row.formats)}: {' '.join(row.classes)}" in text
        assert f"{row.title[:11]}" in text
        assert row.policy in text
    assert "20261121.1" in text
    assert "20261119" not in text
    assert "…" in lines[1]


def test_all_has_more_and_says_which_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for more in ([], ["--all"]):
        assert cli.main(["list", "--json", "--out", str(tmp_path), *more]) == 0
        answers.append({row["name"]: row for row in json.loads(capsys.readouterr().out)})
    some, everything = answers
    assert set(some) < set(everything)
    assert all(row["listed"] == (name in some) for name, row in everything.items())
    assert everything["debian-sid"]["policy"] == "always"
    assert everything["debian-12"]["classes"][0] == "DEBIAN"
