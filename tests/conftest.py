# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: who runs which of them, and that unit tests reach nothing outside.

Emulated guests keep one processor busy for most of the time that all tests take. So several
processes run the tests (pytest-xdist), and what shares a build or an archive stays in one of them.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no failure: neither slow examples nor a slow search for them.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")

HERE = Path(__file__).parent
UNIT = HERE / "unit"
# The longest first, since they are begun in this order; unit tests fill the gaps one by one.
GROUPS = {"live": "boots", "integration": "programs"}
# Modules of tests/live that do not need the image that the others boot.
OWN_GROUP = "own_group"
# How much politer than a guest the other tests are: a guest that gets too little of a processor
# gives up waiting for its own devices.
NICENESS = 5


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into groups for pytest-xdist, and the longest group in front."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if item.get_closest_marker(OWN_GROUP):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        elif folder in GROUPS:
            item.add_marker(pytest.mark.xdist_group(GROUPS[folder]))
    order = list(GROUPS)

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(HERE).parts[0]
        return order.index(folder) if folder in order else len(order)

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let guests go first, where other processes run other tests beside them."""
    beside = "PYTEST_XDIST_WORKER" in os.environ and os.environ["PYTEST_XDIST_WORKER_COUNT"] != "1"
    group = item.get_closest_marker("xdist_group")
    if beside and (group is None or group.args[0] != GROUPS["live"]):
        now = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(now, NICENESS))


@pytest.fixture(autouse=True)
def no_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid processes and sockets in tests/unit: what needs them belongs to tests/integration."""
    if UNIT not in Path(request.path).parents:
        return

    def forbidden(*args: Any, **_kwargs: Any) -> NoReturn:
        pytest.fail(f"a unit test reached outside of the process: {args}", pytrace=True)

    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
