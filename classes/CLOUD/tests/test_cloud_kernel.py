# SPDX-License-Identifier: GPL-2.0-or-later
"""The cloud kernel is the one that runs."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest


@pytest.mark.needs_machine
def test_the_cloud_kernel_runs(guest: Guest) -> None:
    assert "-cloud-" in guest.check("uname -r")
