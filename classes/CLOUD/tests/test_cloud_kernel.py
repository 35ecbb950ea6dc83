# SPDX-License-Identifier: GPL-2.0-or-later
"""The cloud kernel is the one that runs, and the one that updates bring."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest


@pytest.mark.needs_machine
def test_the_cloud_kernel_runs(guest: Guest) -> None:
    running = guest.check("uname -r").strip()
    meta = f"linux-image-cloud-{guest.arch}"
    newest = guest.check(f"dpkg-query --show --showformat '${{Depends}}' {meta}")
    assert "-cloud-" in running
    assert f"linux-image-{running} " in f"{newest} "
