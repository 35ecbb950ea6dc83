# SPDX-License-Identifier: GPL-2.0-or-later
"""The QEMU guest agent: what it is sent, and what its answers are taken for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from builder.guest.postmortem import agent


class Agent:
    """An agent that runs a command for as long as it is asked `busy` times."""

    def __init__(self, said: str, busy: int = 1) -> None:
        self.said = said
        self.busy = busy
        self.messages: list[dict[str, Any]] = []

    def __call__(self, message: str) -> str:
        asked = json.loads(message)
        self.messages.append(asked)
        if asked["execute"] == "guest-exec":
            return json.dumps({"return": {"pid": 7}})
        assert asked["arguments"] == {"pid": 7}
        self.busy -= 1
        if self.busy >= 0:
            return json.dumps({"return": {"exited": False}})
        said = base64.b64encode(self.said.encode()).decode()
        return json.dumps({"return": {"exited": True, "exitcode": 1, "out-data": said}})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "POLL_SECONDS", 0)


def test_a_command_is_waited_for() -> None:
    asked = Agent("degraded\n")
    assert agent.execute(asked, "systemctl is-system-running", 5) == "degraded\n"
    assert asked.messages[0]["arguments"]["arg"][1].endswith("systemctl is-system-running")


def test_without_an_agent_there_is_no_answer() -> None:
    assert agent.execute(lambda _message: None, "true", 5) is None


def test_a_command_that_does_not_end_is_left() -> None:
    assert agent.execute(Agent("", busy=10**9), "sleep infinity", 0.02) is None


def test_an_agent_that_may_run_nothing_is_as_none() -> None:
    told = json.dumps({"error": {"class": "CommandNotFound", "desc": "disabled"}})
    assert agent.execute(lambda _message: told, "true", 5) is None
