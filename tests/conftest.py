# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: who runs which of them, and that unit tests reach nothing outside.

Emulated guests keep one processor busy for most of the time that all tests take. So several
processes run the tests (pytest-xdist), and what shares a build or an archive stays in one of them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# A loaded machine is no failure: neither slow examples nor a slow search for them.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")

# Under nohup, or behind a shell's "&", programs that tests start would inherit that they hear of no
# closed terminal, or of no interrupt; and neither would we.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
UNIT = HERE / "unit"
# What shares a build or an archive, by its folder; the longest is begun first.
SHARED = ("live", "integration")
# Modules of tests/live that make their own, and may run beside the others.
ALONE = ("test_gitlab.py", "test_nightly.py", "test_predicted.py")
# How much politer than a guest the other tests are: a guest that gets too little of a processor
# gives up waiting for its own devices.
NICENESS = 5


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist says no types
    """Hands out tests by what they share, and not by their modules.

    pytest-xdist has marks for that, which it does not see with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return path.parts[1] if path.parts[1] in SHARED and path.name not in ALONE else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Take ours where several processes run the tests."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest in front."""

    def place(item: pytest.Item) -> int:
        folder = _folder(item)
        return SHARED.index(folder) if folder in SHARED else len(SHARED)

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let guests go first, where other processes run other tests beside them."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1
    if beside and (_folder(item) != "live" or item.path.name in ALONE):
        now = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(now, NICENESS))


def _folder(item: pytest.Item) -> str:
    """The folder of tests that a test is in."""
    return item.path.relative_to(HERE).parts[0]


@pytest.fixture(autouse=True)
def no_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid processes and sockets in tests/unit: what needs them belongs to tests/integration."""
    if UNIT not in Path(request.path).parents:
        return

    def forbidden(*args: Any, **_kwargs: Any) -> NoReturn:
        pytest.fail(f"a unit test reached outside of the process: {args}", pytrace=True)

    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
