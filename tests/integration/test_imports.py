# SPDX-License-Identifier: GPL-2.0-or-later
"""Building needs only what a build's set-up installs: no test tools, no libvirt."""

from __future__ import annotations

import sys
from pathlib import Path

from builder.run import run

PROJECT = Path(__file__).parents[2]
ONLY_FOR_BOOTS = ("pytest", "testinfra", "libvirt", "hypothesis")
PROGRAM = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
from builder.cli import main
sys.exit(main(["show", "debian-13"]))
"""


def test_the_program_starts_without_test_tools() -> None:
    done = run(
        [sys.executable, "-c", PROGRAM, *ONLY_FOR_BOOTS],
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=PROJECT,
        capture=True,
    )
    assert "Debian 13" in done.output
