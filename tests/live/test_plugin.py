# SPDX-License-Identifier: GPL-2.0-or-later
"""Another project tests an image with the plugin, from a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.guest.reports.junit import read_session
from tests.live.conftest import ROOT

PROJECT = {
    "pyproject.toml": """
[tool.pytest.ini_options]
addopts = ["-p", "builder.guest.plugin", "--strict-markers"]
""",
    "tests/test_ours.py": """
from datetime import date

import pytest

from builder.guest import journal

@pytest.mark.guest_stage("changed")
def test_we_can_add_our_package(guest, archive):
    guest.check(f"{archive.apt()} update")
    guest.check(f"{archive.apt()} install fai-forge-documented-probe")
    guest.check("logger --priority user.err --tag ours we know")

@pytest.mark.guest_stage("rebooted")
def test_its_errors_are_ours(guest, reviewed_errors):
    found = journal.lines(guest.check(journal.COMMAND.format(boot=journal.THIS_BOOT)))
    assert "ours: we know" in found
    review = journal.review(found, reviewed_errors, date.today())
    assert str(review) == ""

def test_ssh_runs(guest, host):
    assert host.service("ssh").is_running
    assert guest.check("hostname --fqdn").strip() == "guest.fai-forge.example"
""",
    "tests/journal.yaml": """
rows:
  - {pattern: "ours: we know", reason: ours, link: "https://example.org", expires: 2099-01-01}
""",
}


@pytest.mark.thorough
def test_a_project_of_somebody_else(live_image: Path, tmp_path: Path) -> None:
    """Its tests run in the order of their stages, and some of our base tests with them."""
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    words = (sys.executable, "-m", "pytest", "--junitxml=junit.xml", "-p", "no:cacheprovider")
    base = "builder.guest.tests_base.test_users"
    # With a slash, as docs/live-tests.md has it: without one it may be a package of that name.
    done = subprocess.run(
        [*words, "--image", live_image, "--firmware", "uefi", "tests/", "--pyargs", base],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    found = read_session((tmp_path / "junit.xml").read_text()).tests
    told = [test.name.split("::")[1] for test in found]
    assert told[0] == "test_ssh_runs"
    assert "test_the_default_user_is_as_given" in told
    assert told[-2:] == ["test_we_can_add_our_package", "test_its_errors_are_ours"]
