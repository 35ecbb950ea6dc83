# SPDX-License-Identifier: GPL-2.0-or-later
"""`run()` with real programs: what they get, what is kept of them, and that they end."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.run import TAIL_LINES, CommandError, foreground, run
from tests.integration.harness import PATIENCE, ROOT

# Prints its own pid, starts a child that outlives it, and waits.
FAMILY = "sleep 3600 & echo $! ; echo ready; wait"


def ends(pid: int) -> bool:
    """Whether a process ends; one that only waits to be reaped has."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_stdin_is_closed_or_given() -> None:
    assert run(["cat"], capture=True).output == ""
    big = "line\n" * 100_000
    assert run(["cat"], capture=True, stdin=big).output == big


def test_a_program_that_does_not_read_is_no_error() -> None:
    assert run(["true"], stdin="x" * 1_000_000).returncode == 0


def test_the_environment_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    names = {
        line.partition("=")[0]
        for line in run(["env"], env={"MORE": "1"}, capture=True).output.splitlines()
    }
    assert "MORE" in names
    assert "SECRET" not in names


def test_output_goes_to_the_log_and_to_the_callback() -> None:
    log, lines = io.StringIO(), list[str]()
    done = run(["sh", "-c", "echo one; echo two >&2"], log_to=log, on_line=lines.append)
    assert log.getvalue() == done.output == "one\ntwo\n"
    assert lines == ["one", "two"]


def test_captured_is_stdout_and_no_more() -> None:
    lines: list[str] = []
    done = run(["sh", "-c", "echo out; echo err >&2"], capture=True, on_line=lines.append)
    assert done.output == "out\n"
    assert lines == ["err"]


def test_bytes_that_are_no_text_are_survived() -> None:
    assert run(["printf", r"a\377b\n"], capture=True).output == "a\ufffdb\n"


def test_a_failure_holds_the_end_of_what_was_said() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "seq 100; exit 7"])
    assert caught.value.done.returncode == 7
    assert caught.value.hint.split() == [str(n) for n in range(101 - TAIL_LINES, 101)]
    assert "exit code 7" in caught.value.message
    assert run(["sh", "-c", "exit 7"], check=False).returncode == 7


def test_a_failure_of_a_captured_program_quotes_its_stderr() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo half an answer; echo why >&2; exit 1"], capture=True)
    assert caught.value.hint == "why"


def test_a_missing_program() -> None:
    with pytest.raises(InfrastructureError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_time_limit_ends_the_whole_family() -> None:
    lines: list[str] = []
    with pytest.raises(CommandError, match="no end after 1 s"):
        run(["sh", "-c", FAMILY], timeout=1, on_line=lines.append)
    assert ends(int(lines[0]))


def test_an_exception_ends_the_whole_family() -> None:
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line == "ready":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(["sh", "-c", FAMILY], on_line=stop)
    assert ends(int(lines[0]))


def test_the_foregrounds_exit_code_is_handed_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert foreground(["sh", "-c", "echo out; echo err >&2; exit 5"]) == 5
    assert capfd.readouterr() == ("out\n", "err\n")
    assert foreground(["echo", "out"], quiet=True) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_program_in_the_foreground(number: signal.Signals) -> None:
    """Ours is passed on, the program may say goodbye, and we wait for it."""
    script = (
        "import sys; from builder.run import foreground;"
        "sys.exit(foreground(['sh', '-c', sys.argv[1]]))"
    )
    # The shell only sees the signal when its child has ended; its group gets it as well.
    goodbye = "trap 'echo bye; exit 3' INT TERM HUP; echo $$; while :; do sleep 0.1; done"
    with subprocess.Popen(
        [sys.executable, "-c", script, goodbye],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        groups = {process.pid}

        def end() -> None:
            for group in groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

        guard = threading.Timer(PATIENCE, end)
        guard.start()
        try:
            assert process.stdout is not None
            groups.add(int(process.stdout.readline()))
            os.kill(process.pid, number)
            assert process.stdout.read() == "bye\n"
            assert process.wait() == 3
        finally:
            guard.cancel()
            end()
