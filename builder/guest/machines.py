# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of machines that guests are: one row per architecture, with its firmware kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.errors import InfrastructureError, UsageError
from builder.run import needs


@dataclass(frozen=True)
class Firmware:
    """How a machine starts: no `code` means the emulator's own firmware (BIOS, SLOF).

    `variables` is the template of the NVRAM, copied for every run; `secure` means that Secure
    Boot is enforced, with the keys that the template holds.
    """

    code: Path | None = None
    variables: Path | None = None
    secure: bool = False
    package: str = ""

    @property
    def smm(self) -> bool:
        """Only System Management Mode keeps the guest from writing its own key databases."""
        return self.secure


@dataclass(frozen=True)
class Machine:
    """One architecture: libvirt's words for it, and what its virtual hardware is.

    `cpu_tcg` names a CPU model for emulation (None: the emulator's richest); `nic` is a QEMU
    device, since the user network is not libvirt's; `firmware` is keyed by what a person types.
    """

    libvirt_arch: str
    machine: str
    require: Callable[[], None]
    cpu_tcg: str | None
    disk_bus: str
    nic: str
    serial: str
    video: str | None
    firmware: dict[str, Firmware]


@needs("qemu-system-x86_64", package="qemu-system-x86", purpose="boot amd64 images")
def _emulator_amd64() -> None:
    """The emulator is started by libvirt; this only says that it must be there."""


OVMF = Path("/usr/share/OVMF")

MACHINES: dict[str, Machine] = {
    "amd64": Machine(
        libvirt_arch="x86_64",
        machine="q35",
        require=_emulator_amd64,
        # x86-64-v2. Richer models bring five-level paging and AVX, which emulation makes slow.
        cpu_tcg="Nehalem",
        # Cloud kernels have no AHCI driver.
        disk_bus="virtio",
        # An address far from those that libvirt gives to the devices it knows of.
        nic="virtio-net-pci,bus=pcie.0,addr=0x10",
        serial="isa-serial",
        video="vga",
        firmware={
            "bios": Firmware(),
            "uefi": Firmware(OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_VARS_4M.fd", package="ovmf"),
            # The .ms template holds Microsoft's keys, with Secure Boot switched on.
            "secureboot": Firmware(
                OVMF / "OVMF_CODE_4M.ms.fd",
                OVMF / "OVMF_VARS_4M.ms.fd",
                secure=True,
                package="ovmf",
            ),
        },
    ),
}


def machine(arch: str) -> Machine:
    """The row of an architecture; UsageError where there is none."""
    if arch not in MACHINES:
        raise UsageError(
            f"guests of architecture {arch} cannot be booted",
            hint=f"there are: {', '.join(MACHINES)}",
        )
    return MACHINES[arch]


def firmware(arch: str, kind: str) -> Firmware:
    """The row of a firmware kind; UsageError for an unknown one, InfrastructureError where its
    files are not installed.
    """
    rows = machine(arch).firmware
    if kind not in rows:
        raise UsageError(
            f"there is no firmware {kind} for {arch}", hint=f"there are: {', '.join(rows)}"
        )
    row = rows[kind]
    for path in (row.code, row.variables):
        if path is not None and not path.exists():
            raise InfrastructureError(
                f"the firmware file {path} is not there", hint=f"apt-get install {row.package}"
            )
    return row
