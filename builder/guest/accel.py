# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM or emulation: which of them really runs a kernel on this host, tried once per host boot.

/dev/kvm can exist, open, and run firmware, and yet never start a kernel (nested virtualisation of
some CI runners). So the first guest of a host starts under KVM and must show a line of its kernel
soon; if it does not, it starts again under emulation. Only when the same image then does start is
KVM to blame, and is the verdict remembered.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import InfrastructureError, UsageError
from builder.guest.machines import machine
from builder.run import run

AUTO, KVM, TCG = "auto", "kvm", "tcg"
CHOICES = (AUTO, KVM, TCG)
DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# How much slower a guest of amd64 is; multiplies every time limit.
SLOWNESS = {KVM: 1.0, TCG: 10.0}


def slowness(arch: str, accel: str) -> float:
    """How much more time than one of amd64 a guest of another architecture gets."""
    return machine(arch).slowness if accel == TCG else 1.0


@dataclass(frozen=True)
class Verdict:
    """Where the answer of earlier probes lies, for this boot of the host and this QEMU."""

    path: Path

    def known(self) -> bool | None:
        """Whether KVM works; None where nobody has tried yet."""
        try:
            return {"yes": True, "no": False}.get(self.path.read_text().strip())
        except OSError:
            return None

    def remember(self, works: bool) -> None:
        """Keep the answer; a cache that cannot be written costs time, not correctness."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
            part.write_text("yes\n" if works else "no\n")
            part.replace(self.path)
        except OSError:
            return


def _qemu_version(emulator: str) -> str:
    """QEMU's version line; KVM verdicts do not outlive an upgrade."""
    return run([emulator, "--version"], capture=True).output.splitlines()[0]


def verdict_of(cache: Path, arch: str) -> Verdict:
    """The verdict's place for the host as it runs now, and the emulator of an architecture."""
    emulator = machine(arch).emulator
    key = f"{BOOT_ID.read_text().strip()} {arch} {_qemu_version(emulator)}"
    return Verdict(cache / f"kvm-{hashlib.sha256(key.encode()).hexdigest()[:16]}")


def usable(arch: str) -> bool:
    """Whether a probe is worth it: a guest of the host's own architecture, a device that opens."""
    if machine(arch).libvirt_arch != platform.machine():
        return False
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def attempts(wanted: str, arch: str, verdict: Verdict) -> Sequence[str]:
    """The accelerations to try, in this order.

    UsageError for an unknown choice, InfrastructureError where KVM is demanded and cannot be.
    """
    if wanted not in CHOICES:
        raise UsageError(
            f"there is no acceleration {wanted}", hint=f"there are: {', '.join(CHOICES)}"
        )
    if wanted == TCG:
        return (TCG,)
    works = verdict.known() if usable(arch) else False
    if wanted == KVM:
        if works is False:
            raise InfrastructureError(
                f"KVM does not run {arch} kernels on this host",
                hint=f"use --accel auto or tcg; remove the verdict to try again: {verdict.path}"
                if verdict.known() is False
                else "use --accel auto or tcg",
            )
        return (KVM,)
    return {True: (KVM,), False: (TCG,), None: (KVM, TCG)}[works]
