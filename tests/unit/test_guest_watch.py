# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a guest: it ends with the reason, and long before the time is over."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from builder.errors import CheckError, InfrastructureError
from builder.guest import watch
from builder.guest.domain import GuestSpec
from builder.guest.hypervisor import Domain
from builder.guest.postmortem import agent, conclusions
from builder.guest.postmortem.serial import Keyboard
from builder.guest.watch import Watch
from tests.unit.test_guest_diagnosis import ALERT, LOGIN, PANIC

# Nothing here may last so long; a wait that did would fail by the suite's own limit.
FOREVER = 3600.0
UP_WITHOUT_SSH = {
    conclusions.SYSTEM: "degraded",
    conclusions.ENABLED: "disabled",
    conclusions.ACTIVE: "inactive\ninactive",
}


@dataclasses.dataclass
class Fake:
    """A domain without a console that could be typed into."""

    running: bool = True
    asked: int = 0

    def active(self) -> bool:
        """Whether it runs."""
        return self.running

    def ask_agent(self, _message: str) -> None:
        """No agent."""
        self.asked += 1

    @contextlib.contextmanager
    def keyboard(self) -> Iterator[Keyboard]:
        """No console."""
        raise InfrastructureError("no console")
        yield


@pytest.fixture
def spec(tmp_path: Path) -> GuestSpec:
    path = tmp_path / "console.log"
    path.touch()
    return GuestSpec("x", "amd64", "bios", "tcg", path, None, None, path, 1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_SECONDS", "LOOK_SECONDS", "LAST_WORDS_SECONDS"):
        monkeypatch.setattr(watch, name, 0.0)


def watching(spec: GuestSpec, domain: Fake, text: str) -> Watch:
    spec.console.write_text(text)
    return Watch(spec, cast(Domain, domain), patience=0.01)


def failure(watched: Watch, seconds: float = FOREVER) -> CheckError:
    with pytest.raises(CheckError) as caught:
        watched.wait("get ready", seconds, lambda: False)
    return caught.value


def test_a_panic_ends_the_wait_with_its_reason(spec: GuestSpec) -> None:
    error = failure(watching(spec, Fake(), PANIC))
    assert error.message == (
        "the guest (bios, tcg) did not get ready: the kernel panicked: VFS: Unable to mount root fs"
        " on unknown-block(0,0)"
    )
    assert "update-initramfs" in error.hint
    assert str(spec.console) in error.hint


def test_a_shell_that_cannot_be_asked_leaves_the_sign(spec: GuestSpec) -> None:
    error = failure(watching(spec, Fake(), ALERT))
    assert error.message.endswith("the initramfs did not find the root file system")


def test_a_guest_that_ended_is_not_waited_for(spec: GuestSpec) -> None:
    assert "stopped running" in failure(watching(spec, Fake(running=False), "")).message


def test_a_system_that_is_up_says_why_nobody_gets_in(
    spec: GuestSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        agent, "execute", lambda _send, command, _seconds: UP_WITHOUT_SSH.get(command, "")
    )
    error = failure(watching(spec, Fake(), LOGIN))
    assert "its SSH server is disabled" in error.message
    assert "# systemctl is-enabled ssh.service\ndisabled" in error.hint


def test_without_an_agent_only_the_time_limit_tells(spec: GuestSpec) -> None:
    domain = Fake()
    error = failure(watching(spec, domain, LOGIN), seconds=0.05)
    assert domain.asked > 0
    assert error.message == "the guest (bios, tcg) did not get ready within 0 s"
    assert "debian login:" in error.hint


def test_what_came_in_time_is_no_failure(spec: GuestSpec) -> None:
    begin = time.monotonic()
    watched = watching(spec, Fake(), LOGIN)
    watched.wait("get ready", FOREVER, lambda: time.monotonic() > begin + 0.01)
    watched.require_hope()


def test_nobody_waits_twice(spec: GuestSpec) -> None:
    watched = watching(spec, Fake(), PANIC)
    failure(watched)
    with pytest.raises(CheckError, match=r"given up before: .* the kernel panicked"):
        watched.require_hope()
