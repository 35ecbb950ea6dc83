# SPDX-License-Identifier: GPL-2.0-or-later
"""The console: cleaning, bad lines that are found, good ones that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.guest import console

BAD = [
    ("[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs", "kernel panic", True),
    ("[    1.2] Oops: 0000 [#1] PREEMPT SMP", "kernel oops", False),
    ("[    1.2] BUG: unable to handle page fault for address: 0", "kernel bug", False),
    ("[    9.1] foo[312]: segfault at 0 ip 0 sp 0 error 4 in foo", "a program crashed", False),
    ("[    9.1] blk_update_request: I/O error, dev vda, sector 8", "the disk fails", False),
    ("You are in emergency mode. After logging in, type", "emergency mode", True),
    ("(initramfs) ", "the initramfs did not find the root file system", True),
    ("/bin/sh: 0: can't access tty; job control turned off", "the initramfs found no init", True),
    ("grub rescue> ", "GRUB did not find its configuration", True),
    (
        "[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.",
        "a systemd unit",
        False,
    ),
    ("[DEPEND] Dependency failed for local-fs.target", "a systemd unit failed", False),
    ("error: file `/boot/grub/x86_64-efi/linux.mod' not found.", "GRUB could not load", False),
    ("UEFI Interactive Shell v2.2", "nothing to boot", True),
    ("BdsDxe: No bootable option or device was found.", "nothing to boot", True),
]
GOOD = [
    "error: file `/boot/grub/x86_64-efi/bli.mod' not found.",
    'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM"',
    "[    0.000000] Linux version 6.12.117+deb13-amd64 (debian-kernel@lists.debian.org)",
    "[    1.0] EXT4-fs (vda1): mounted filesystem with ordered data mode",
    "[  OK  ] Reached target emergency.target - Emergency Mode.",
    "ci-info: | eth0 | True | 10.0.2.15 |",
    "Begin: Mounting root file system ... done.",
    "[    3.1] systemd[1]: Starting systemd-oomd.service - Userspace Out-Of-Memory Killer...",
]


@pytest.mark.parametrize(("line", "reason", "fatal"), BAD)
def test_bad_lines(line: str, reason: str, fatal: bool) -> None:
    (hit,) = console.search(f"before\n{line}\nafter\n")
    assert hit.reason.startswith(reason)
    assert hit.line == line.strip()
    assert hit.fatal is fatal


@pytest.mark.parametrize("line", GOOD)
def test_good_lines(line: str) -> None:
    assert console.search(line) == []


def test_colours_do_not_hide_a_bad_line() -> None:
    raw = b"[\x1b[0;1;31mFAILED\x1b[0m] Failed to \x1b[0;1;39mstart\x1b[0m x.service\r\r\n"
    assert [hit.line for hit in console.search(console.clean(raw))] == [
        "[FAILED] Failed to start x.service"
    ]


def test_rotated_parts_come_first(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    for name, text in (("console.log.1", "a"), ("console.log.0", "b"), ("console.log", "c")):
        (tmp_path / name).write_text(text)
    assert console.read(log) == "abc"
    assert console.read(tmp_path / "none.log") == ""


@pytest.mark.parametrize(
    ("text", "started"),
    [
        ("SeaBIOS (version 1.16)\nBooting from Hard Disk...\nGRUB loading.\n", False),
        ("BdsDxe: loading Boot0002\n  Booting `Debian GNU/Linux'\nLoading Linux 6.12 ...\n", False),
        ("[    0.000000] Linux version 6.12\n", True),
        ("Loading, please wait...\n", True),
        ("Welcome to Debian GNU/Linux 13 (trixie)!\n", True),
    ],
)
def test_only_a_kernel_counts_as_started(text: str, started: bool) -> None:
    assert console.kernel_started(text) is started


def test_tail_leaves_out_empty_lines() -> None:
    assert console.tail("a\n\nb\n\n\nc\n", 2) == "b\nc"


RESTARTED = "[ 492.9] reboot: Restarting system\n"
FIRMWARE = "BdsDxe: loading Boot0001\n"
GRUB = f"{FIRMWARE}GNU GRUB  version 2.12-9\n"
LINUX = f"{GRUB}[    0.000000] Linux version 6.12.117+deb13-amd64\n"


@pytest.mark.parametrize(
    ("text", "uefi", "bios"),
    [
        (f"{RESTARTED}\n \n", True, False),
        (f"{RESTARTED}{FIRMWARE}", True, False),
        # A menu may wait for a person.
        (f"{RESTARTED}{GRUB}", False, False),
        (f"{RESTARTED}{LINUX}[ 0.9] ACPI: Core revision\n", True, True),
        (f"{RESTARTED}{LINUX}[ 1.9] Run /init as init process\n", False, False),
        (f"{RESTARTED}{LINUX}Loading, please wait...\n", False, False),
        (f"{RESTARTED}{LINUX}[ 1.0] Kernel panic - not syncing: VFS\n", False, False),
        (f"{RESTARTED}{LINUX}systemd[1]: Hostname set\n{RESTARTED}{FIRMWARE}", True, False),
        ("[ 492.9] systemd-shutdown[1]: Rebooting.\n", False, False),
        ("", False, False),
    ],
)
def test_a_machine_that_freezes_in_a_restart(text: str, uefi: bool, bios: bool) -> None:
    assert console.froze_in_restart(text, firmware_speaks=True) is uefi
    assert console.froze_in_restart(text, firmware_speaks=False) is bios


def test_a_screen_is_read_line_by_line() -> None:
    """shim draws a box; each piece of it comes with its place, and the frame is no text."""
    raw = (
        b"\x1b[01;01H\xda\xc4\xc4\xbf\x1b[02;01H\xb3   ERROR   \xb3"
        b"\x1b[03;01H\xb3 Verification failed: (0x1A) Security Violation \xb3"
    )
    text = console.clean(raw)
    assert [hit.line for hit in console.search(text)] == [
        "Verification failed: (0x1A) Security Violation"
    ]
    said = [line.strip() for line in console.tail(text).splitlines()]
    assert said == ["ERROR", "Verification failed: (0x1A) Security Violation"]


@pytest.mark.parametrize(
    ("text", "down"),
    [
        ("[  273.366575] reboot: Power down\n\n", True),
        ("[  273.366575] reboot: Power down\nOpenSBI v1.1\n", False),
        ("[  273.366575] reboot: Restarting system\n", False),
        ("", False),
    ],
)
def test_the_last_word_tells_a_power_off(text: str, down: bool) -> None:
    assert console.powered_down(text) is down
