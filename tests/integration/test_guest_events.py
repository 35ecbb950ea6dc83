# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that used libvirt ends as any other, however long the end of its process takes."""

from __future__ import annotations

import sys

import pytest

from builder.run import run

# libvirt tells the end of a connection a while later. on_exit(3) calls sleep(exit code): then the
# interpreter is gone, and the process is not. A large one, such as pytest after all tests, needs
# that long by itself. One try of three failed before the loop of events was ended.
SECONDS = 2
PROGRAM = f"""
import ctypes, sys
from builder.guest.hypervisor import hypervisor

with hypervisor():
    pass
libc = ctypes.CDLL(None)
libc.on_exit(ctypes.cast(libc.sleep, ctypes.c_void_p), None)
sys.exit({SECONDS})
"""


@pytest.mark.parametrize("_try", range(3))
def test_events_end_before_the_interpreter(_try: int) -> None:
    assert run([sys.executable, "-c", PROGRAM], timeout=60, check=False).returncode == SECONDS
