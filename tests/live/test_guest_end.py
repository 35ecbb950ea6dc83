# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest never outlives its test, however that ends, and never touches the image."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import CheckError
from builder.guest.boot import boot
from builder.rundir import sweep

PROGRAM = """
import sys
from pathlib import Path
from builder.guest.boot import boot

with boot(Path(sys.argv[1]), accel="tcg", work_dir=Path(sys.argv[2])) as guest:
    print("ready", flush=True)
"""


def emulators(work: Path) -> list[int]:
    """The processes of QEMU whose disk lies under `work`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if words.split(b"\0")[0].endswith(b"qemu-system-x86_64") and str(work).encode() in words:
            found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll, since other processes tell nobody when they end."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_guest_outlives_its_program(
    live_image: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = digest(live_image)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, live_image, tmp_path]) as program:
        try:
            assert wait_for(lambda: bool(emulators(tmp_path)), 120), "no guest was started"
            os.kill(program.pid, number)
            program.wait(60)
            assert wait_for(lambda: not emulators(tmp_path), 30), "the guest lives on"
        finally:
            program.kill()
    left = [path for path in tmp_path.glob("run-*") if path.is_dir()]
    # Only a signal that gives time to clean up leaves nothing; the next run removes the rest.
    assert len(left) == (1 if number == signal.SIGKILL else 0)
    assert sweep(tmp_path) == left
    assert digest(live_image) == before


def test_an_image_that_cannot_boot_is_found_out_soon(tmp_path: Path) -> None:
    empty = tmp_path / "empty.raw"
    with empty.open("wb") as stream:
        stream.truncate(64 << 20)
    with (
        pytest.raises(CheckError, match="nothing to boot") as caught,
        # The BIOS of QEMU has no serial console: there, only the time limit tells.
        boot(
            empty,
            firmware="uefi",
            accel="tcg",
            work_dir=tmp_path / "work",
            report_dir=tmp_path / "report",
        ),
    ):
        pytest.fail("an empty disk booted")
    console = tmp_path / "report" / "console-uefi.log"
    assert str(console) in caught.value.hint
    assert "UEFI Interactive Shell" in console.read_text()
    assert list((tmp_path / "work").iterdir()) == []
    assert emulators(tmp_path) == []
