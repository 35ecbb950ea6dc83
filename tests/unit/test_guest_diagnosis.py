# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a guest did not start: from a console and from answers to the sentence that says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from builder.guest.postmortem import conclusions
from builder.guest.postmortem.conclusions import (
    ACTIVE,
    ADDRESSES,
    BLKID,
    CMDLINE,
    ENABLED,
    PARTITIONS,
    SYSTEM,
)
from builder.guest.postmortem.diagnosis import ROWS, Way, diagnose
from builder.guest.postmortem.evidence import Diagnosis
from builder.guest.ssh import KEYS_BEGIN, KEYS_END

ALERT = "ALERT!  UUID=1111-2222 does not exist.  Dropping to a shell!\n(initramfs) "
TOLD = "BOOT_IMAGE=/boot/vmlinuz-6.12 root=UUID=1111-2222 ro console=ttyS0"
NO_DISK = (
    "major minor  #blocks  name\n\n   1        0      16384 ram0\n  11        0    1048575 sr0"
)
DISKS = "major minor  #blocks  name\n\n 254        0    5242880 vda\n 254        1    5111808 vda1"
SEED = '/dev/vdb: SEC_TYPE="msdos" LABEL="CIDATA" UUID="1234-ABCD" BLOCK_SIZE="512" TYPE="vfat"'
OTHER = '/dev/vda1: LABEL="root" UUID="3333-4444" BLOCK_SIZE="4096" TYPE="ext4" PARTUUID="55-66"'
REFUSED = """\
BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x1)/Pci(0x0,0x0)
BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x1): Access Denied
"""
SHELL_REFUSED = (
    'BdsDxe: failed to start Boot0002 "EFI Internal Shell" from Fv(7C): Security Violation'
)
SHIM = """\
BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x1)/Pci(0x0,0x0)
                                 ERROR
              Verification failed: (0x1A) Security Violation
"""
LOGIN = "Debian GNU/Linux 13 debian ttyS0\n\ndebian login: ci-info: ++++\n"
PANIC = """\
[    2.1] md: Waiting for all devices to be available before autodetect
[    2.2] /dev/root: Can't open blockdev
[    2.3] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
[    2.4] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.117+deb13-amd64 #1
[    2.5] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---
"""


def found(
    text: str, answers: Mapping[str, str] | None = None, *, alive: bool = False
) -> Diagnosis | None:
    """The diagnosis where the guest gives these answers and no others."""
    known = answers or {}

    def ask(_way: Way, questions: Sequence[str]) -> Mapping[str, str]:
        return {each: known[each] for each in questions if each in known}

    return diagnose(text, ask, "virtio_blk", alive=alive)


SHELL = {PARTITIONS: DISKS, BLKID: f"{SEED}\n{OTHER}", CMDLINE: TOLD}
UP = {SYSTEM: "running", ENABLED: "enabled", ACTIVE: "active\ninactive", ADDRESSES: "2: ens3"}
DOWN = {**UP, ACTIVE: "inactive\ninactive"}
CAUSES = [
    (PANIC, {}, "the kernel panicked: VFS: Unable to mount root fs on unknown-block(0,0)"),
    (
        ALERT,
        {**SHELL, PARTITIONS: NO_DISK},
        "the initramfs has no driver for the disk (virtio_blk)",
    ),
    (
        ALERT,
        SHELL,
        "the kernel is told root=UUID=1111-2222, and the disk has 3333-4444 (/dev/vda1)",
    ),
    (ALERT, {**SHELL, BLKID: ""}, "the kernel is told root=UUID=1111-2222, and the disk has none"),
    (ALERT, {}, "the initramfs did not find the root file system"),
    (
        LOGIN,
        {**DOWN, ENABLED: "disabled"},
        "the system is up, but its SSH server is disabled: nothing starts ssh.service",
    ),
    (
        LOGIN,
        {**DOWN, ENABLED: "masked"},
        "the system is up, but its SSH server is masked: nothing may start ssh.service",
    ),
    (
        LOGIN,
        {**DOWN, ENABLED: "not-found"},
        "the system is up, but its SSH server is not installed",
    ),
    (LOGIN, DOWN, "the system is up, but its SSH server did not start although it is enabled"),
    (LOGIN, {**UP, ACTIVE: "failed\ninactive"}, "the system is up, but its SSH server failed"),
    (
        LOGIN,
        {**UP, ADDRESSES: ""},
        "the system is up and its SSH server runs, but it has no network address",
    ),
    ("error: bad shim signature.\n", {}, "Secure Boot refused the kernel"),
    (REFUSED + SHELL_REFUSED, {}, "Secure Boot refused the disk's first boot loader"),
    (SHELL_REFUSED, {}, "the firmware found nothing to boot"),
    (SHIM, {}, "Secure Boot refused grubx64.efi"),
    ("grub rescue> ", {}, "GRUB did not find its configuration"),
    ("BdsDxe: No bootable option or device was found.", {}, "the firmware found nothing to boot"),
]


@pytest.mark.parametrize(("text", "answers", "cause"), CAUSES)
def test_causes(text: str, answers: Mapping[str, str], cause: str) -> None:
    diagnosis = found(text, answers)
    assert diagnosis is not None
    assert diagnosis.cause.startswith(cause)
    assert diagnosis.evidence
    assert diagnosis.advice


LATE = (
    LOGIN,
    "[  OK  ] Reached target multi-user.target - Multi-User System.\n",
    f"{KEYS_BEGIN}\nssh-rsa AAAAB3NzaC1yc2E=\n{KEYS_END}\n",
)


@pytest.mark.parametrize("text", LATE)
def test_whatever_shows_that_a_start_is_over_leads_to_the_question(text: str) -> None:
    diagnosis = found(text, {**DOWN, ENABLED: "disabled"}, alive=True)
    assert diagnosis is not None
    assert "SSH server is disabled" in diagnosis.cause


UNCERTAIN = [
    ("", {}),
    # It still starts.
    (LOGIN, {**DOWN, SYSTEM: "starting"}),
    # It runs, listens, and has an address.
    (LOGIN, UP),
    # Nobody answers.
    (LOGIN, {}),
]


@pytest.mark.parametrize(("text", "answers"), UNCERTAIN)
def test_what_cannot_be_known_is_not_said(text: str, answers: Mapping[str, str]) -> None:
    assert found(text, answers) is None


def test_only_what_came_after_the_last_start_counts() -> None:
    assert found(f"{PANIC}\n[    9.9] reboot: Restarting system\nGRUB loading.\n") is None


def test_the_living_are_asked_only_what_they_survive() -> None:
    """A kernel's message that looks like a bad sign is no reason to type into a console."""
    assert found(ALERT, SHELL, alive=True) is None
    assert found(LOGIN, {**DOWN, ENABLED: "disabled"}, alive=True) is not None


def test_a_panic_shows_what_came_before_it() -> None:
    diagnosis = found(PANIC)
    assert diagnosis is not None
    assert "Can't open blockdev" in diagnosis.evidence
    assert "initrd" in diagnosis.advice


def test_answers_are_shown_as_in_a_terminal() -> None:
    diagnosis = found(ALERT, SHELL)
    assert diagnosis is not None
    assert f"# blkid\n{SEED}\n{OTHER}" in diagnosis.told


def test_keys_that_were_not_made() -> None:
    block = (
        "-----BEGIN SSH HOST KEY KEYS-----\ncat: no such file\n-----END SSH HOST KEY KEYS-----\n"
    )
    diagnosis = found(block, alive=True)
    assert diagnosis is not None
    assert "no SSH host keys" in diagnosis.cause


def test_cloud_init_that_printed_no_keys() -> None:
    diagnosis = found("Cloud-init v. 25.1.4 finished at Fri, 20 Nov 2026\n", alive=True)
    assert diagnosis is not None
    assert "without printing" in diagnosis.cause


def test_every_question_has_a_way() -> None:
    assert all(bool(row.questions) == (row.way is not None) for row in ROWS)
    assert {row.way for row in ROWS} == {None, *Way}


def test_each_reason_of_a_panic_has_advice() -> None:
    assert all(advice for _, advice in conclusions.PANICS)


@pytest.mark.parametrize(
    ("jobs", "cause"),
    [
        (
            "2 multi-user.target start waiting\n107 slow.service start running\n",
            "still starting: slow.service",
        ),
        ("", "no unit of systemd is at work"),
    ],
)
def test_a_start_that_does_not_end_names_its_jobs(jobs: str, cause: str) -> None:
    diagnosis = conclusions.unsettled(jobs)
    assert diagnosis.cause == cause
    assert jobs.strip() in diagnosis.evidence
