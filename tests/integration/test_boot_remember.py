# SPDX-License-Identifier: GPL-2.0-or-later
"""Two programs that boot the same build at the same time: both verdicts are in its manifest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from builder.guest.reports import report
from builder.guest.reports.remember import Records
from builder.manifest import document
from tests.unit.test_boot_remember import records

PROJECT = Path(__file__).parents[2]
# Each has kinds of its own, so that a lost one is missed.
PROGRAM = """
import sys
from pathlib import Path
from builder.builds import Built
from builder.guest.reports.remember import Records
from tests.unit.boots import boot, case

folder, who = Path(sys.argv[1]), sys.argv[2]
where = Records(folder, "debian-13", "amd64", Built("debian-13", "20261121", folder))
sys.stdin.readline()
for number in range(10):
    where.add(boot(case("m::a"), name=f"{who}{number}"))
"""


def test_nothing_is_lost(tmp_path: Path) -> None:
    where: Records = records(tmp_path)
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path, who], cwd=PROJECT, stdin=subprocess.PIPE
        )
        for who in ("a", "b", "c")
    ]
    for program in programs:
        assert program.stdin is not None
        program.stdin.write(b"\n")
        program.stdin.flush()
    assert [program.wait(60) for program in programs] == [0, 0, 0]
    wanted = {f"{who}{number}" for who in "abc" for number in range(10)}
    found = report.load(where.document)
    assert found is not None
    assert {each.name for each in found.boots} == wanted
    assert where.built is not None
    assert {each.name for each in document.load(where.built.manifest).boots} == wanted
