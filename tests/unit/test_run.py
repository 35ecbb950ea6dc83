# SPDX-License-Identifier: GPL-2.0-or-later
"""What a child inherits, where programs are looked for, and the list of programs."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from builder import run as module
from builder.errors import InfrastructureError
from builder.run import SYSTEM_PATH, Tool, environment, foreground, needs, run, search_path


@pytest.fixture(autouse=True)
def own_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that a test declares are not seen by the next one."""
    monkeypatch.setattr(module, "TOOLS", {})


def test_little_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/evil.so")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    env = environment({"EXTRA": "1"})
    assert "LD_PRELOAD" not in env
    assert "LANG" not in env
    assert env["http_proxy"] == "http://proxy.invalid"
    assert (env["LC_ALL"], env["TZ"], env["EXTRA"]) == ("C.UTF-8", "UTC", "1")


def test_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/theirs")
    assert environment({"TMPDIR": "/ours"})["TMPDIR"] == "/ours"


def test_a_plain_users_path_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/bin:/usr/bin")
    assert search_path() == (
        "/opt/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"
    )
    monkeypatch.delenv("PATH")
    assert search_path() == SYSTEM_PATH


def test_a_missing_tool_names_its_package_and_purpose() -> None:
    called = []

    @needs("no-such-program", package="nowhere", purpose="try this")
    def function() -> None:
        called.append(1)

    with pytest.raises(InfrastructureError, match="no-such-program is not installed") as caught:
        function()
    assert "try this" in caught.value.message
    assert caught.value.hint == "apt-get install nowhere"
    assert not called


def test_the_decorated_function_works_where_the_tool_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "some-program"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    @needs("some-program", package="some", purpose="try this")
    def double(value: int) -> int:
        return 2 * value

    assert double(21) == 42
    assert {"some-program": Tool("some-program", "some", "try this")} == module.TOOLS
    assert module.TOOLS["some-program"].path() == str(program)


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_args: object, **_kwargs: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "Popen", missing)
    with pytest.raises(InfrastructureError, match="frobnicate is not installed"):
        run(["frobnicate"])


def test_a_signal_that_comes_while_a_program_starts_reaches_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []

    class Starting:
        """A program; the signal arrives before the caller has hold of it."""

        pid = 4711

        def __init__(self, *_args: object, **_kwargs: object) -> None:
            signal.raise_signal(signal.SIGTERM)

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_args: object) -> None:
            pass

        def wait(self) -> int:
            return 130

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(subprocess, "Popen", Starting)
    monkeypatch.setattr("os.killpg", lambda *what: sent.append(what))
    assert foreground(["anything"]) == 130
    assert sent == [(4711, signal.SIGTERM)]
    assert signal.getsignal(signal.SIGTERM) is before
