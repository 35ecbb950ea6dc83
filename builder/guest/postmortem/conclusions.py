# SPDX-License-Identifier: GPL-2.0-or-later
"""What follows from a sign on a guest's console and from what it answered; see `diagnosis`.

Each function is the end of one row of the table there; None means that it cannot tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from builder.guest import console
from builder.guest.postmortem.evidence import Diagnosis, Facts
from builder.guest.ssh import KEYS_BEGIN, host_keys

PARTITIONS, BLKID, CMDLINE = "cat /proc/partitions", "blkid", "cat /proc/cmdline"
DISK_QUESTIONS = (PARTITIONS, BLKID, CMDLINE)
DISK = re.compile(r"^\s*\d+\s+\d+\s+\d+\s+(?!loop|ram|zram|sr|fd)\w+$", re.MULTILINE)
ROOT = re.compile(r"\broot=(?P<kind>UUID|PARTUUID|LABEL|PARTLABEL)=(?P<value>[^\s\"]+)")

SYSTEM = "systemctl is-system-running"
ENABLED = "systemctl is-enabled ssh.service"
CONDITIONS = "systemctl status ssh.service --no-pager --lines 0"
ACTIVE = "systemctl is-active ssh.service ssh.socket"
FAILED = "systemctl list-units --failed --plain --no-legend"
ADDRESSES = "ip -oneline address show scope global"
SSH_JOURNAL = "journalctl --unit ssh.service --lines 8 --no-pager --output cat"
SSH_QUESTIONS = (SYSTEM, ENABLED, ACTIVE, CONDITIONS, FAILED, ADDRESSES, SSH_JOURNAL)
JOBS = "systemctl list-jobs --plain --no-legend --full"
# What systemd calls a start that is over.
STARTED = ("running", "degraded")

# What to do about a panic, by its reason.
PANICS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"Unable to mount root fs"),
        "The kernel had no initramfs, or one without the disk's driver: look for the `initrd` line"
        " in /boot/grub/grub.cfg, and run `update-initramfs -c -k all` and `update-grub`.",
    ),
    (
        re.compile(r"No working init|Requested init"),
        "The root file system has no program that could be init: install `init`, or correct init="
        " in the kernel's command line.",
    ),
    (
        re.compile(r"Attempted to kill init"),
        "The first program ended: the lines before the panic say why; look at what replaces"
        " /sbin/init, and at libraries that it needs.",
    ),
    (
        re.compile(r"deadlocked on memory|Out of memory"),
        "The guest has too little memory for what it starts.",
    ),
)


@dataclass(frozen=True)
class _State:
    """Why no SSH server runs, and what to do about it."""

    cause: str
    advice: str


ENABLE = (
    "Have ssh.service enabled in the image; a class says so with `enabled:` in tests/offline.yaml,"
    " and the build then checks it."
)
FAILED_SSH = _State(
    "failed", "The last lines are sshd's own; `sshd -t` in the image says the same."
)
# By what `systemctl is-enabled` says.
SSH_STATES = {
    "disabled": _State("is disabled: nothing starts ssh.service", ENABLE),
    "masked": _State("is masked: nothing may start ssh.service", ENABLE),
    "not-found": _State("is not installed", "Have the package openssh-server in the image."),
    "enabled": _State(
        "did not start although it is enabled",
        "systemctl names the condition or the job that kept it from starting; look at what in"
        " /etc/systemd/system changes ssh.service.",
    ),
}


def panic(facts: Facts) -> Diagnosis:
    """The kernel says itself why it stopped."""
    reason = facts.sign["reason"].strip()
    advice = next((told for pattern, told in PANICS if pattern.search(reason)), "")
    return Diagnosis(
        f"the kernel panicked: {reason}",
        console.tail(facts.console[: facts.sign.end()], 7),
        advice or "The lines before the panic say what the kernel was doing.",
    )


def no_root(facts: Facts) -> Diagnosis | None:
    """The initramfs looked for the root file system in vain; two causes look the same."""
    table = facts.answers.get(PARTITIONS)
    if table is None:
        return None
    if not DISK.search(table):
        return Diagnosis(
            f"the initramfs has no driver for the disk ({facts.driver})",
            facts.transcript(),
            f"No disk was found. Have {facts.driver} in the initramfs: MODULES=most in"
            " /etc/initramfs-tools, or its name in /etc/initramfs-tools/modules.",
        )
    told = ROOT.search(facts.answers.get(CMDLINE, ""))
    known = facts.answers.get(BLKID)
    if told is None or known is None:
        return None
    kind, value = told["kind"], told["value"]
    there = [
        (match[1], device)
        for device, said in re.findall(r"^(\S+): (.*)$", known, re.MULTILINE)
        # The EFI partition and our own disk with the key are no root file systems.
        if (match := re.search(rf'\b{kind}="([^"]+)"', said)) and 'TYPE="vfat"' not in said
    ]
    if value in (each for each, _ in there):
        return None
    disk = ", ".join(f"{each} ({device})" for each, device in there) or "none"
    return Diagnosis(
        f"the kernel is told root={kind}={value}, and the disk has {disk}",
        facts.transcript(),
        "The root= of the kernel's command line comes from /boot/grub/grub.cfg: run `update-grub`"
        " when the file system has its final UUID, and give it no new one later.",
    )


def emergency(facts: Facts) -> Diagnosis:
    """systemd gave up: the first thing that it blamed."""
    blamed = re.findall(
        r"(?:Timed out waiting for device|Dependency failed for) (.+)", facts.console
    )
    what = blamed[0].strip(" .") if blamed else "a unit that the start needs failed"
    return Diagnosis(
        f"systemd went into emergency mode: {what}",
        facts.lines(r"FAILED|DEPEND|TIME|Timed out|Dependency failed|emergency"),
        "Look at /etc/fstab: what a machine may lack has `nofail`, and all have UUID= or LABEL=.",
    )


def no_ssh(facts: Facts) -> Diagnosis | None:
    """The system is up and SSH does not answer; only what is certain is concluded."""
    if facts.answers.get(SYSTEM, "") not in STARTED:
        return None
    enabled = facts.answers.get(ENABLED, "")
    active = facts.answers.get(ACTIVE, "").split()
    if "active" not in active:
        failed = "ssh.service" in facts.answers.get(FAILED, "") or "failed" in active
        state = FAILED_SSH if failed else SSH_STATES.get(enabled, SSH_STATES["disabled"])
        return Diagnosis(
            f"the system is up, but its SSH server {state.cause}", facts.transcript(), state.advice
        )
    if ADDRESSES in facts.answers and not facts.answers[ADDRESSES]:
        return Diagnosis(
            "the system is up and its SSH server runs, but it has no network address",
            facts.transcript(),
            "Look at the network's configuration in the image, and at its driver for virtio_net.",
        )
    return None


def no_keys(facts: Facts) -> Diagnosis | None:
    """The keys were to be printed, and there are none."""
    if host_keys(facts.console) != ():
        return None
    return Diagnosis(
        "the guest has no SSH host keys: nothing made them before its SSH server was to start",
        facts.sign[0],
        "Is ssh.service enabled, and does what makes its keys (sshd-keygen.service, or cloud-init)"
        " run before it?",
    )


def keys_not_told(facts: Facts) -> Diagnosis | None:
    """cloud-init is done, and what it prints as its last step is not there."""
    if KEYS_BEGIN in facts.console:
        return None
    return Diagnosis(
        "cloud-init ended without printing the SSH host keys on the console",
        facts.lines(r"cloud-init\[\d+\]|Cloud-init v"),
        "cloud-init's modules ssh and keys_to_console must run, and the console be its output.",
    )


def unsettled(jobs: str) -> Diagnosis:
    """A start that does not end: what `JOBS` says of the units that are still at work."""
    rows = [line.split() for line in jobs.splitlines()]
    at_work = [row[1] for row in rows if row[3:] == ["running"]]
    what = f"still starting: {', '.join(at_work)}" if at_work else "no unit of systemd is at work"
    return Diagnosis(
        what,
        f"# {JOBS}\n{jobs.strip()}",
        "A unit that may take long has TimeoutStartSec=, or is nothing that a start waits for.",
    )
