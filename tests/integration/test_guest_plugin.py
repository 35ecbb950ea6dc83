# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report says: the names of tests, wherever their files lie, and why one failed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from builder.guest.progress import read
from builder.guest.reports.junit import TestResult, read_session
from builder.guest.session import INFRASTRUCTURE_EXIT
from builder.guest.verdict import BASE_TESTS
from builder.paths import CACHE_VARIABLE
from builder.run import Completed, run

TEST = "def test_one():\n    pass\n"
GIVEN_UP = """
from builder.errors import CheckError

def test_waits():
    raise CheckError("the guest did not come back", hint="the console's end: GRUB loading")
"""


HUNG = """
from builder.errors import InfrastructureError

def test_reboots():
    raise InfrastructureError("the emulator did not start its firmware again")

def test_is_not_run():
    print("RAN")
"""

# What another project has: tests of a class of its own, and errors that it has reviewed.
OTHERS = """
import builder
import pytest

@pytest.mark.guest_stage("rebooted")
def test_in_a_guest(guest, host, archive, twin):
    pass

def test_beside_a_guest(reviewed_errors, name_server):
    assert "installed" in builder.__file__
    reasons = [row.reason for row in reviewed_errors]
    assert reasons[-1] == "ours" and len(reasons) > 1
    assert name_server > 0
"""
OTHERS_ERRORS = """
rows:
  - {pattern: "probe: one", reason: ours, link: "https://example.org/", expires: 2030-01-01}
"""


TELLING = """
from builder.guest.witness import WITNESS

def test_one(request):
    print("captured")
    request.config.pluginmanager.get_plugin(WITNESS).reached("kernel")

def test_two():
    raise AssertionError
"""


OF_A_MACHINE = """
import pytest

@pytest.mark.needs_machine
def test_kernel():
    pass

def test_units():
    pass
"""


def reported(junit: Path, *files: Path | str) -> tuple[TestResult, ...]:
    """What a session with our plugin reports of these files."""
    session(junit, *files)
    return read_session(junit.read_text()).tests


def session(junit: Path, *files: Path | str) -> Completed:
    """Run these files of tests with our plugin; options may be among them."""
    words: list[str | Path] = [sys.executable, "-m", "pytest", "-p", "builder.guest.plugin", "-q"]
    words += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", BASE_TESTS]
    return run(
        [*words, "--import-mode=importlib", f"--junitxml={junit}", *files],
        env={"PYTHONPATH": str(BASE_TESTS.parents[2])},
        check=False,
        capture=True,
    )


def test_names_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    overlay = tmp_path / "SSHD" / "tests"
    overlay.mkdir(parents=True)
    files = (tmp_path / "test_alone.py", overlay / "test_keys.py")
    for file in files:
        file.write_text(TEST)
    tests = reported(tmp_path / "junit.xml", *files)
    assert [test.name for test in tests] == ["test_alone::test_one", "SSHD/test_keys::test_one"]


def test_a_failure_keeps_its_hint(tmp_path: Path) -> None:
    """The console's end is in the report, since a machine of CI keeps nothing else."""
    file = tmp_path / "test_of_a_guest.py"
    file.write_text(GIVEN_UP)
    (test,) = reported(tmp_path / "junit.xml", file)
    assert not test.passed
    assert "the console's end: GRUB loading" in test.message


def test_a_host_that_fails_ends_the_session(tmp_path: Path) -> None:
    file = tmp_path / "test_of_a_guest.py"
    file.write_text(HUNG)
    done = session(tmp_path / "junit.xml", file)
    assert done.returncode == INFRASTRUCTURE_EXIT
    assert "the emulator did not start its firmware again" in done.output
    assert "RAN" not in done.output


def test_progress_is_told_as_it_comes(tmp_path: Path) -> None:
    """Also from within a test, whose own output is captured."""
    overlay = tmp_path / "SSHD" / "tests"
    overlay.mkdir(parents=True)
    (overlay / "test_keys.py").write_text(TELLING)
    done = session(tmp_path / "junit.xml", overlay / "test_keys.py")
    events = [event for event in map(read, done.output.splitlines()) if event]
    assert [(each.kind, each.text, each.number, each.total, each.passed) for each in events] == [
        ("stage", "kernel", 0, 0, True),
        ("test", "SSHD/test_keys::test_one", 1, 2, True),
        ("test", "SSHD/test_keys::test_two", 2, 2, False),
    ]


WAITING = """
import time
from pathlib import Path

def test_one():
    pass

def test_two():
    deadline = time.monotonic() + 60
    while not Path({heard!r}).exists():
        assert time.monotonic() < deadline, "nobody heard of the first test"
        time.sleep(0.1)
"""


def test_progress_does_not_wait_for_more(tmp_path: Path) -> None:
    """The end of the first test is heard of while the second one runs."""
    heard, file = tmp_path / "heard", tmp_path / "test_waits.py"
    file.write_text(WAITING.format(heard=str(heard)))

    def listen(line: str) -> None:
        if read(line):
            heard.touch()

    words = [sys.executable, "-m", "pytest", "-p", "builder.guest.plugin", "-q", "-c", os.devnull]
    run(
        [*words, "-p", "no:cacheprovider", "--rootdir", BASE_TESTS, file],
        env={"PYTHONPATH": str(BASE_TESTS.parents[2])},
        on_line=listen,
    )


def test_a_guest_that_is_not_ready_is_the_cause_of_all(tmp_path: Path) -> None:
    file = tmp_path / "test_of_a_guest.py"
    file.write_text("def test_one(guest):\n    pass\n\ndef test_two(guest):\n    pass\n")
    empty = tmp_path / "not-there.qcow2"
    junit = tmp_path / "junit.xml"
    done = session(junit, "--image", empty, "--accel", "tcg", file)
    assert done.returncode == 1, done.output
    found = read_session(junit.read_text())
    assert found.cause.startswith(f"there is no image {empty}")
    assert [(test.passed, test.run) for test in found.tests] == [(False, False)] * 2


def test_another_project_uses_it_installed(tmp_path: Path) -> None:
    """In a folder of its own, with the package as pip installs it, and nothing of this one."""
    source, installed, project = (tmp_path / name for name in ("source", "installed", "project"))
    root = BASE_TESTS.parents[2]
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "builder", source / "builder", ignore=skip)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(root / name, source)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    run([*pip, "--target", installed, source])
    tests = project / "tests"
    tests.mkdir(parents=True)
    (tests / "test_mine.py").write_text(OTHERS)
    (tests / "journal.yaml").write_text(OTHERS_ERRORS)
    words = (sys.executable, "-m", "pytest", "-p", "builder.guest.plugin", "--strict-markers")
    done = run(
        [*words, "-p", "no:cacheprovider", "--junitxml=j.xml", "--image", "missing.qcow2", "tests"],
        cwd=project,
        env={"PYTHONPATH": str(installed), CACHE_VARIABLE: str(tmp_path / "cache")},
        check=False,
        capture=True,
    )
    # What runs last says what a person did wrong.
    first, last = read_session((project / "j.xml").read_text()).tests
    assert (first.name, first.passed) == ("project/test_mine::test_beside_a_guest", True)
    assert (last.name, last.passed) == ("project/test_mine::test_in_a_guest", False)
    assert f"there is no image {project}/missing.qcow2" in last.message
    assert done.returncode == 1


def test_tests_that_need_a_twin_can_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "test_of_a_guest.py"
    file.write_text("def test_one(twin):\n    pass\n\n" + TEST.replace("one", "other"))
    done = session(tmp_path / "junit.xml", "--no-twin", file)
    assert done.returncode == 0
    assert "1 passed, 1 deselected" in done.output


def test_a_container_is_no_machine(tmp_path: Path) -> None:
    file = tmp_path / "test_of_a_guest.py"
    file.write_text(OF_A_MACHINE)
    for words, names in (((), ["kernel", "units"]), (("--firmware", "container"), ["units"])):
        tests = reported(tmp_path / "junit.xml", *words, file)
        assert [test.name for test in tests] == [f"test_of_a_guest::test_{name}" for name in names]
