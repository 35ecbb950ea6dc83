# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests have the same names in a report wherever their files lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from builder.guest.verdict import BASE_TESTS, read_junit
from builder.run import run

TEST = "def test_one():\n    pass\n"


def test_names_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    overlay = tmp_path / "SSHD" / "tests"
    overlay.mkdir(parents=True)
    files = (tmp_path / "test_alone.py", overlay / "test_keys.py")
    for file in files:
        file.write_text(TEST)
    junit = tmp_path / "junit.xml"
    run(
        [
            *(sys.executable, "-m", "pytest", "-p", "builder.guest.plugin", "-q"),
            *("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", BASE_TESTS),
            *("--import-mode=importlib", f"--junitxml={junit}", *files),
        ],
        env={"PYTHONPATH": str(BASE_TESTS.parents[2])},
    )
    _, tests = read_junit(junit.read_text())
    assert [test.name for test in tests] == ["test_alone::test_one", "SSHD/test_keys::test_one"]
