# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of several threads end when the thread that waits for all of them is interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from builder.run import run
from builder.side_by_side import side_by_side

CAREFUL = "trap 'echo asked > {told}; exit 7' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"


def wait_for(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.02)
    return int(path.read_text())


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_interrupt_ends_the_programs_of_all_threads(tmp_path: Path) -> None:
    files = [tmp_path / f"pid{number}" for number in range(3)]
    asked = tmp_path / "asked"
    scripts = [
        CAREFUL.format(pid=files[0], told=asked),
        STUBBORN.format(pid=files[1]),
        STUBBORN.format(pid=files[2]),
    ]
    graces = (20.0, 0.5, 0.0)
    jobs = [
        partial(run, ["sh", "-c", script], grace=grace)
        for script, grace in zip(scripts, graces, strict=True)
    ]

    def interrupt() -> None:
        for file in files:
            wait_for(file)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([*jobs, partial(run, ["touch", tmp_path / "late"])], 3)
    assert asked.read_text() == "asked\n"
    assert all(gone(int(file.read_text())) for file in files)
    assert not (tmp_path / "late").exists()
    # And programs may start again.
    assert run(["true"]).returncode == 0
