# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a guest did not start: a table of signs on its console, what is asked then, what follows.

A new row is a sign (a pattern on the console), a way to ask and what to ask, and a function of
`conclusions`, which gets the answers, or `Plainly` where the sign says it all. Rows are tried in
their order; one that cannot tell passes on. docs/broken-images.md shows what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from builder.guest import console
from builder.guest.postmortem import conclusions
from builder.guest.postmortem.evidence import Diagnosis, Facts, Plainly
from builder.guest.ssh import KEYS_BEGIN, KEYS_END


class Way(StrEnum):
    """How a guest that lets nobody in is asked."""

    SHELL = "the initramfs' shell on the console"
    AGENT = "the QEMU guest agent"


# Puts questions, which are shell commands, and returns the answers by question; those that were not
# answered are left out.
Ask = Callable[[Way, Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Row:
    """One row of the table; `alive` rows are also asked while the guest may still get ready."""

    sign: re.Pattern[str]
    conclude: Callable[[Facts], Diagnosis | None]
    way: Way | None = None
    questions: tuple[str, ...] = ()
    alive: bool = False


def diagnose(
    text: str, ask: Ask, driver: str, *, alive: bool = False, rows: Sequence[Row] | None = None
) -> Diagnosis | None:
    """What is wrong with the guest whose console shows `text`, or None where no row can tell.

    `driver` is the kernel module of the guest's disk. With `alive`, only rows that can be sure of a
    guest that still runs are asked.
    """
    text = console.since_start(text)
    for row in ROWS if rows is None else rows:
        if alive and not row.alive:
            continue
        sign = row.sign.search(text)
        if sign is None:
            continue
        answers = ask(row.way, row.questions) if row.way is not None else {}
        found = row.conclude(Facts(sign, text, driver, answers))
        if found is not None:
            return found
    return None


ROWS: tuple[Row, ...] = (
    Row(re.compile(r"Kernel panic - not syncing: *(?P<reason>.*)"), conclusions.panic),
    Row(
        re.compile(r"ALERT! .*does not exist|^\(initramfs\)", re.MULTILINE),
        conclusions.no_root,
        Way.SHELL,
        conclusions.DISK_QUESTIONS,
    ),
    Row(
        # The same sign, where the shell did not answer.
        re.compile(r"ALERT! .*does not exist"),
        Plainly(
            "the initramfs did not find the root file system",
            r"ALERT!|Gave up waiting",
            "Either root= of the kernel's command line is wrong, or the initramfs has no driver for"
            " the disk.",
        ),
    ),
    Row(
        re.compile(r"bad shim signature"),
        Plainly(
            "Secure Boot refused the kernel: GRUB knows no signature of it",
            r"bad shim signature|you need to load the kernel first",
            "The kernel must be Debian's signed one: linux-image-*, not linux-image-*-unsigned.",
        ),
    ),
    Row(
        # Not the firmware's own shell, which comes last and which Secure Boot always refuses.
        re.compile(
            r'BdsDxe: failed to \w+ Boot\w+ "(?!EFI Internal Shell).*: (Access D|Security V)'
        ),
        Plainly(
            "Secure Boot refused the disk's first boot loader: the firmware knows no signature of"
            " it",
            r"BdsDxe",
            "EFI/BOOT/BOOTX64.EFI of the EFI partition must be the signed shim (package"
            " shim-signed).",
        ),
    ),
    Row(
        re.compile(
            r"No bootable device|BdsDxe: No bootable option|UEFI Interactive Shell"
            r'|BdsDxe: failed to \w+ Boot\w+ "EFI Internal Shell"'
        ),
        Plainly(
            "the firmware found nothing to boot",
            r"BdsDxe|UEFI Interactive Shell|No bootable device",
            "UEFI starts EFI/BOOT/BOOTX64.EFI of the EFI partition; the BIOS starts the first"
            " sector.",
        ),
    ),
    Row(
        re.compile(r"Security Violation|Verification failed"),
        Plainly(
            "Secure Boot refused grubx64.efi: shim knows no signature of it",
            r"Security Violation|Verification failed",
            "The EFI partition must have the signed GRUB (package grub-efi-amd64-signed) beside"
            " shim.",
        ),
    ),
    Row(
        re.compile(r"^grub(?: rescue)?>", re.MULTILINE),
        Plainly(
            "GRUB did not find its configuration",
            r"error: |^grub",
            "GRUB looks for /boot/grub/grub.cfg on the file system whose UUID stands in grub.cfg of"
            " the EFI partition, or in its core image.",
        ),
    ),
    Row(
        re.compile(r"You are in (?:emergency|rescue) mode|Entering emergency mode"),
        conclusions.emergency,
    ),
    Row(
        re.compile(f"{KEYS_BEGIN}.*?{KEYS_END}", re.DOTALL),
        conclusions.no_keys,
        alive=True,
    ),
    Row(
        re.compile(r"Cloud-init v\. ?\S+ finished at"),
        conclusions.keys_not_told,
        alive=True,
    ),
    Row(
        # Any of what comes late in a start: a getty may be silenced by others who write there.
        re.compile(rf"^\S+ login: |Reached target multi-user\.target|^{KEYS_END}", re.MULTILINE),
        conclusions.no_ssh,
        Way.AGENT,
        conclusions.SSH_QUESTIONS,
        alive=True,
    ),
)
