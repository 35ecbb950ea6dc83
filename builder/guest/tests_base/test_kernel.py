# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel: a package of the image, the newest that it has, and nothing bad in its log."""

from __future__ import annotations

import pytest

from builder.guest.archive import LocalArchive
from builder.guest.console import search
from builder.guest.guest import Guest
from builder.guest.kernel import OWNER, PREFIXES

pytestmark = pytest.mark.needs_machine

# The packages that own a kernel in /boot, oldest first.
OWNERS = "for kernel in $(linux-version list | linux-version sort); do echo $kernel; done"


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("first"),
        pytest.param("after the reboot", marks=pytest.mark.guest_stage("rebooted")),
    ],
)
def test_the_newest_kernel_runs(guest: Guest, stage: str) -> None:
    """It belongs to a package, and no newer one was passed over by the boot loader."""
    running, *known = guest.check(f"uname -r; {OWNERS}").split()
    assert running == known[-1], stage
    assert guest.check(OWNER).startswith(PREFIXES)


@pytest.mark.needs_deb
@pytest.mark.guest_stage("rebooted")
def test_the_updated_kernel_runs(guest: Guest, archive: LocalArchive) -> None:
    """The package of the running kernel is the one that came as a security update."""
    owner = guest.check(OWNER).partition(":")[0]
    assert (
        guest.check(f"dpkg-query --show --showformat '${{Version}}' {owner}")
        == (archive.upgrades[owner])
    )


def test_kernel_log_is_clean(guest: Guest) -> None:
    """dmesg has none of the lines that are bad on a console."""
    assert [str(hit) for hit in search(guest.check("dmesg"))] == []
