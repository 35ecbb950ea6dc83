# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: unit tests cannot start a process or open a network connection."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

UNIT = Path(__file__).parent / "unit"


@pytest.fixture(autouse=True)
def no_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid processes and sockets in tests/unit: what needs them belongs to tests/integration."""
    if UNIT not in Path(request.path).parents:
        return

    def forbidden(*args: Any, **_kwargs: Any) -> NoReturn:
        pytest.fail(f"a unit test reached outside of the process: {args}", pytrace=True)

    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
