# SPDX-License-Identifier: GPL-2.0-or-later
"""How many guests run side by side, and that the reason for it is the right one."""

from __future__ import annotations

import pytest

from builder.guest.capacity import Host, plan

GIB = 1 << 30


@pytest.mark.parametrize(
    ("guests", "accel", "host", "wanted", "jobs", "why"),
    [
        (1, "tcg", Host(8, 64 * GIB), 4, 1, "there is only one"),
        (3, "tcg", Host(8, 64 * GIB), None, 3, "processors and memory suffice"),
        (3, "tcg", Host(2, 64 * GIB), None, 2, "2 processors, 1 for each"),
        (3, "tcg", Host(1, 64 * GIB), None, 1, "1 processor, 1 for each"),
        (3, "kvm", Host(4, 64 * GIB), None, 2, "4 processors, 2 for each"),
        (3, "tcg", Host(8, 9 * GIB), None, 2, "9216 MiB of memory are free, 4096 MiB for each"),
        (3, "kvm", Host(8, 12 * GIB), None, 3, "processors and memory suffice"),
        # A guest more than the host can take is still tried, alone.
        (3, "tcg", Host(8, GIB), None, 1, "1024 MiB of memory are free, 4096 MiB for each"),
        (3, "kvm", Host(1, 64 * GIB), None, 1, "1 processor, 2 for each"),
        (3, "tcg", Host(1, GIB), 2, 2, "as asked by --jobs"),
        (3, "tcg", Host(1, GIB), 9, 3, "as asked by --jobs"),
    ],
)
def test_plan(guests: int, accel: str, host: Host, wanted: int | None, jobs: int, why: str) -> None:
    made = plan(guests, accel, host, wanted)
    assert (made.jobs, made.why) == (jobs, why)
