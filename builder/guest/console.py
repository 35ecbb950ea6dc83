# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's serial console: kept in a file, cleaned for reading, searched for bad signs.

The idea of a table of patterns is kola's (coreos-assembler, mantle/kola/harness.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# CSI and OSC sequences, and the lone two-byte ones that firmware and agetty send.
ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?=]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78cM])"
)
# Where a screen is drawn, such as shim's, each piece of text is first given its place.
CURSOR = re.compile(r"\x1b\[\d+;\d+[Hf]")
# Not in a line that is empty, or was part of a frame.
WORDS = re.compile(r"[!-~]")
# virtlogd starts a new file at 2 MiB and keeps the older ones as NAME.0 (newest) to NAME.2.
ROTATED = (2, 1, 0)


@dataclass(frozen=True)
class Pattern:
    """What a bad line looks like and what it means; after a `fatal` one no guest gets ready."""

    regex: re.Pattern[str]
    reason: str
    fatal: bool = False


@dataclass(frozen=True)
class Hit:
    """A line of the console that a pattern found."""

    line: str
    reason: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.reason}: {self.line}"


PATTERNS = (
    Pattern(re.compile(r"Kernel panic - not syncing"), "kernel panic", fatal=True),
    Pattern(re.compile(r"\bOops: "), "kernel oops"),
    Pattern(re.compile(r"\bBUG: |kernel BUG at "), "kernel bug"),
    Pattern(re.compile(r"\bWARNING: CPU: \d+ PID: \d+ at "), "kernel warning"),
    Pattern(re.compile(r"general protection (fault|error)"), "general protection fault"),
    Pattern(re.compile(r"\[\s*\d+\.\d+\].*\bsegfault at "), "a program crashed"),
    Pattern(re.compile(r"soft lockup - CPU|hard LOCKUP"), "a CPU hung"),
    Pattern(re.compile(r"INFO: task .* blocked for more than"), "a task hung"),
    Pattern(re.compile(r"Out of memory: Kill"), "out of memory"),
    Pattern(re.compile(r"I/O error, dev "), "the disk fails"),
    Pattern(re.compile(r"EXT4-fs error|XFS .*: Corruption|BTRFS error"), "a damaged file system"),
    Pattern(
        re.compile(r"You are in emergency mode|Entering emergency mode"), "emergency mode", True
    ),
    Pattern(re.compile(r"You are in rescue mode"), "rescue mode", True),
    Pattern(
        re.compile(r"Dropping to a shell|^\(initramfs\)|ALERT! .*does not exist"),
        "the initramfs did not find the root file system",
        fatal=True,
    ),
    Pattern(
        re.compile(r"Target filesystem doesn't have requested|can't access tty; job control"),
        "the initramfs found no init, or gave a shell",
        fatal=True,
    ),
    Pattern(re.compile(r"^grub( rescue)?>"), "GRUB did not find its configuration", fatal=True),
    Pattern(
        # Not bli.mod: 25_bli of GRUB 2.12 asks for it although Secure Boot forbids modules from
        # the disk; all that it does is to tell systemd which loader was used.
        re.compile(r"error: (file|symbol) `(?!\S*/bli\.mod').*' not found|bad shim signature"),
        "GRUB could not load what it needs",
    ),
    Pattern(re.compile(r"Security Violation|Access Denied"), "Secure Boot refused a program", True),
    Pattern(
        re.compile(r"No bootable device|BdsDxe: No bootable option|UEFI Interactive Shell"),
        "nothing to boot",
        fatal=True,
    ),
    Pattern(re.compile(r"Failed to (start|mount|listen on) "), "a systemd unit failed"),
    Pattern(re.compile(r"Dependency failed for "), "a systemd unit failed"),
    Pattern(re.compile(r"Found ordering cycle"), "systemd left out a unit to break a cycle"),
    Pattern(re.compile(r"Timed out waiting for device "), "a device never appeared"),
    Pattern(re.compile(r"cloud-init\[\d+\]:.*Traceback"), "cloud-init crashed"),
)

# The last line of a kernel that restarts the machine.
RESTART = "reboot: Restarting system"
POWER_DOWN = "reboot: Power down"
# What shows how far a start has come: the boot loader, the kernel, then initramfs or systemd.
BOOT_LOADER = re.compile(r"GRUB|Booting `|Loading Linux|Loading initial ramdisk")
LINUX = re.compile(r"Linux version \d")
INIT = re.compile(r"Run /\S*init as init process|Loading, please wait|Begin: |systemd\[1\]: ")
# What only a running kernel (or the init that it started) writes, never the firmware or GRUB.
KERNEL = re.compile(
    r"Linux version \d|^\[\s*\d+\.\d{6}\] |Loading, please wait|Begin: |systemd\[1\]: |Welcome to "
)


def clean(raw: bytes) -> str:
    """The console as text: escapes, carriage returns and the frames of screens are taken out."""
    # Frames of firmware's screens are not in UTF-8.
    text = raw.decode("utf-8", errors="ignore")
    text = ESCAPES.sub("", CURSOR.sub("\n", text))
    return text.replace("\r", "").replace("\0", "")


def read(path: Path) -> str:
    """All that a console file holds so far, with the parts that were rotated away in front."""
    parts = [path.with_name(f"{path.name}.{number}") for number in ROTATED] + [path]
    return clean(b"".join(part.read_bytes() for part in parts if part.exists()))


def search(text: str, patterns: Iterable[Pattern] = PATTERNS) -> list[Hit]:
    """The bad lines of a console or of dmesg, in their order; a line counts once."""
    table = tuple(patterns)
    hits = []
    for line in text.splitlines():
        found = next((row for row in table if row.regex.search(line)), None)
        if found is not None:
            hits.append(Hit(line.strip(), found.reason, found.fatal))
    return hits


def kernel_started(text: str) -> bool:
    """Whether a kernel has come so far as to write to the console."""
    return any(KERNEL.search(line) for line in text.splitlines())


def froze_in_restart(text: str, firmware_speaks: bool) -> bool:
    """Whether the machine stood still after a restart where no part of the image was at work.

    That is in firmware that writes to the console, or in a kernel that had not run init yet, and
    without a bad line. A boot loader that stands still may have been told to.
    """
    _, restarted, rest = text.rpartition(RESTART)
    if not restarted or search(rest):
        return False
    if LINUX.search(rest):
        return INIT.search(rest) is None
    return firmware_speaks and BOOT_LOADER.search(rest) is None


def powered_down(text: str) -> bool:
    """Whether the kernel's last word was that the machine is switched off now."""
    return POWER_DOWN in tail(text, 1)


def since_start(text: str) -> str:
    """What was written since the machine was last restarted, or started."""
    return text.rpartition(RESTART)[2]


def tail(text: str, lines: int = 12) -> str:
    """The last lines that say something, for an error's hint."""
    return "\n".join([line.rstrip() for line in text.splitlines() if WORDS.search(line)][-lines:])
