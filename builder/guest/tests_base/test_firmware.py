# SPDX-License-Identifier: GPL-2.0-or-later
"""The firmware that the guest believes to have is the one that it was booted with."""

from __future__ import annotations

import pytest

from builder.guest.guest import Guest

pytestmark = pytest.mark.needs_machine

SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOCKDOWN = "/sys/kernel/security/lockdown"
# Firmware: whether there is UEFI, and whether it enforces Secure Boot.
STATES = {
    "bios": (False, False),
    "uefi": (True, False),
    "secureboot": (True, True),
    "ieee1275": (False, False),
}
STAGES = [
    pytest.param("first"),
    pytest.param("after the reboot", marks=pytest.mark.guest_stage("rebooted")),
]


@pytest.mark.parametrize("stage", STAGES)
def test_secure_boot_is_as_booted(guest: Guest, stage: str) -> None:
    """The variable has four bytes of attributes, then 1 where Secure Boot is enforced."""
    efi = guest.run("test -d /sys/firmware/efi").returncode == 0
    secure = guest.run(f"od -An -tu1 -j4 -N1 {SECURE_BOOT}").stdout.strip() == "1"
    assert (efi, secure) == STATES[guest.firmware], stage


@pytest.mark.parametrize("stage", STAGES)
def test_the_kernel_is_locked_down_by_secure_boot(guest: Guest, stage: str) -> None:
    """Where only signed code may start, not even root changes a running kernel; else it may."""
    state = guest.check(f"cat {LOCKDOWN}")
    enforced = STATES[guest.firmware][1]
    assert ("[integrity]" if enforced else "[none]") in state, stage
