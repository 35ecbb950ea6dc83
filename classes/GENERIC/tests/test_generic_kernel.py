# SPDX-License-Identifier: GPL-2.0-or-later
"""The generic kernel is the one that runs, and the one that updates bring."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest

META = {
    "amd64": "linux-image-amd64",
    "arm64": "linux-image-arm64",
    "ppc64el": "linux-image-powerpc64le",
    "riscv64": "linux-image-riscv64",
}


@pytest.mark.needs_machine
def test_the_generic_kernel_runs(guest: Guest) -> None:
    running = guest.check("uname -r").strip()
    newest = guest.check(f"dpkg-query --show --showformat '${{Depends}}' {META[guest.arch]}")
    assert "-cloud-" not in running
    assert f"linux-image-{running} " in f"{newest} "
