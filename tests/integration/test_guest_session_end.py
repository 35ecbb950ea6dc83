# SPDX-License-Identifier: GPL-2.0-or-later
"""A session of guest tests that is told to end does: its guest goes, and no other test runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.guest.session import PARENT_VARIABLE
from builder.guest.verdict import BASE_TESTS

SECONDS = 60
# In place of a guest: something that is taken away at the end.
TESTS = """
import time
from pathlib import Path
import pytest

HERE = Path(__file__).parent

@pytest.fixture(scope="session")
def thing():
    yield
    (HERE / "gone").touch()

def test_waits(thing):
    (HERE / "waiting").touch()
    time.sleep(600)

def test_is_not_run(thing):
    (HERE / "ran").touch()
"""
# A parent that starts the session and waits, as `fai-forge boot` does.
PARENT = f"""
import os, subprocess, sys
os.environ[{PARENT_VARIABLE!r}] = str(os.getpid())
print(subprocess.Popen(sys.argv[1:], start_new_session=True).pid, flush=True)
sys.stdin.read()
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.05)


@pytest.mark.parametrize("killed", ["session", "parent"])
def test_a_session_in_a_test_ends(tmp_path: Path, killed: str) -> None:
    file = tmp_path / "test_of_a_guest.py"
    file.write_text(TESTS)
    argv: list[str | Path] = [sys.executable, "-m", "pytest", "-p", "builder.guest.plugin", "-q"]
    argv += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path, file]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(BASE_TESTS.parents[2])},
    ) as parent:
        try:
            assert parent.stdout is not None
            session = int(parent.stdout.readline())
            wait_for(tmp_path / "waiting")
            if killed == "session":
                os.kill(session, signal.SIGTERM)
            else:
                parent.kill()
            wait_for(tmp_path / "gone")
        finally:
            parent.kill()
    assert not (tmp_path / "ran").exists()
