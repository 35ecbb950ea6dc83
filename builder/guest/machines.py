# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of machines that guests are: one row per architecture, with its firmware kinds.

What is not a matter of taste was seen with QEMU 7.2 and libvirt 9.0 (Debian 12); what came up under
which row is in docs/architectures.md.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from builder.errors import InfrastructureError, UsageError
from builder.guest.hardware import Channel, Firmware, Kind, Loading, Machine
from builder.run import needs


@needs("qemu-system-x86_64", package="qemu-system-x86", purpose="boot amd64 images")
def _emulator_amd64() -> None:
    """The emulator is started by libvirt; this only says that it must be there."""


@needs("qemu-system-aarch64", package="qemu-system-arm", purpose="boot arm64 images", optional=True)
def _emulator_arm64() -> None:
    """As for amd64."""


@needs("qemu-system-ppc64", package="qemu-system-ppc", purpose="boot ppc64el images", optional=True)
def _emulator_ppc64el() -> None:
    """As for amd64."""


# Of Debian 13 it is in qemu-system-riscv, on which qemu-system-misc depends there.
@needs(
    "qemu-system-riscv64", package="qemu-system-misc", purpose="boot riscv64 images", optional=True
)
def _emulator_riscv64() -> None:
    """As for amd64."""


OVMF = Path("/usr/share/OVMF")
AAVMF = Path("/usr/share/AAVMF")
EDK2_RISCV64 = Path("/usr/share/qemu-efi-riscv64")
UBOOT_RISCV64 = Path("/usr/lib/u-boot/qemu-riscv64_smode")

MACHINES: dict[str, Machine] = {
    "amd64": Machine(
        libvirt_arch="x86_64",
        machine="q35",
        emulator="qemu-system-x86_64",
        require=_emulator_amd64,
        # A model of AMD's: Linux guards Intel's of that age against Meltdown, and each call of the
        # kernel then costs the emulator its translations. Richer models bring five-level paging and
        # AVX, which are slow as well.
        cpu_tcg="Opteron_G3",
        # Up to x86-64-v2, which other distributions ask for; and no machines within the machine.
        cpu_features={"ssse3": True, "sse4.1": True, "sse4.2": True, "svm": False},
        # Cloud kernels have no AHCI driver.
        disk_bus="virtio",
        # An address far from those that libvirt gives to the devices it knows of.
        nic="virtio-net-pci,bus=pcie.0,addr=0x10",
        serial="isa-serial",
        serial_model=None,
        console="ttyS0",
        video="vga",
        acpi=True,
        # Only System Management Mode keeps the guest from writing its own key databases.
        smm=True,
        slowness=1.0,
        firmware={
            # Ubuntu's and Debian's images have the modules, and write the boot loader themselves.
            "bios": Kind((Firmware(speaks=False),), ("grub-pc-bin",)),
            "uefi": Kind(
                (Firmware(OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_VARS_4M.fd", package="ovmf"),),
                ("grub-efi-amd64-bin | grub-efi-amd64-signed",),
            ),
            # The .ms template holds Microsoft's keys, with Secure Boot switched on.
            "secureboot": Kind(
                (
                    Firmware(
                        OVMF / "OVMF_CODE_4M.ms.fd",
                        OVMF / "OVMF_VARS_4M.ms.fd",
                        secure=True,
                        package="ovmf",
                    ),
                ),
                ("grub-efi-amd64-signed", "shim-signed"),
            ),
        },
    ),
    "arm64": Machine(
        libvirt_arch="aarch64",
        machine="virt",
        emulator="qemu-system-aarch64",
        require=_emulator_arm64,
        # Newer models sign pointers with an algorithm that emulation makes slow.
        cpu_tcg="cortex-a72",
        disk_bus="virtio",
        nic="virtio-net-pci,bus=pcie.0,addr=0x10",
        serial="system-serial",
        serial_model="pl011",
        console="ttyAMA0",
        video=None,
        acpi=True,
        # There is no such mode; QEMU's flash does not keep the guest from writing the keys.
        smm=False,
        slowness=1.5,
        firmware={
            "uefi": Kind(
                (
                    Firmware(
                        AAVMF / "AAVMF_CODE.fd",
                        AAVMF / "AAVMF_VARS.fd",
                        package="qemu-efi-aarch64",
                    ),
                ),
                ("grub-efi-arm64-bin | grub-efi-arm64-signed",),
            ),
            "secureboot": Kind(
                (
                    Firmware(
                        AAVMF / "AAVMF_CODE.ms.fd",
                        AAVMF / "AAVMF_VARS.ms.fd",
                        secure=True,
                        package="qemu-efi-aarch64",
                    ),
                ),
                ("grub-efi-arm64-signed", "shim-signed"),
            ),
        },
    ),
    "ppc64el": Machine(
        libvirt_arch="ppc64le",
        machine="pseries",
        emulator="qemu-system-ppc64",
        require=_emulator_ppc64el,
        cpu_tcg="POWER9",
        disk_bus="virtio",
        nic="virtio-net-pci,bus=pci.0,addr=0x10",
        serial="spapr-vio-serial",
        serial_model="spapr-vty",
        console="hvc0",
        video=None,
        acpi=False,
        smm=False,
        slowness=1.5,
        firmware={
            # SLOF, QEMU's own Open Firmware. It has no SMBIOS, and Linux reads no fw_cfg here.
            "ieee1275": Kind((Firmware(credentials=None),), ("grub-ieee1275 | grub-ieee1275-bin",))
        },
    ),
    "riscv64": Machine(
        libvirt_arch="riscv64",
        machine="virt",
        emulator="qemu-system-riscv64",
        require=_emulator_riscv64,
        # libvirt knows models of it only since 9.1; the default is a plain rv64gc.
        cpu_tcg=None,
        disk_bus="virtio",
        nic="virtio-net-pci,bus=pcie.0,addr=0x10",
        serial="system-serial",
        serial_model="16550a",
        console="ttyS0",
        video=None,
        # QEMU has it since 8.1, libvirt allows it since 9.6; a device tree is always there.
        acpi=False,
        smm=False,
        slowness=1.5,
        firmware={
            "uefi": Kind(
                (
                    # Debian 13 has EDK2, and a QEMU that has flash for it.
                    Firmware(
                        EDK2_RISCV64 / "RISCV_VIRT_CODE.fd",
                        EDK2_RISCV64 / "RISCV_VIRT_VARS.fd",
                        package="qemu-efi-riscv64",
                        credentials=Channel.FW_CFG,
                    ),
                    # Debian 12 has U-Boot, which QEMU's own OpenSBI starts as it would a kernel.
                    # Its SMBIOS is its own, and QEMU 7.2 takes no files for fw_cfg here.
                    Firmware(
                        UBOOT_RISCV64 / "u-boot.bin",
                        package="u-boot-qemu",
                        loading=Loading.KERNEL,
                        credentials=None,
                    ),
                ),
                ("grub-efi-riscv64 | grub-efi-riscv64-bin",),
            ),
        },
        # QEMU 7.2's device for it calls exit(); later ones may do better.
        tells_power_off=False,
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
    """The firmware of a kind that is installed here; UsageError for an unknown kind,
    InfrastructureError where none is.
    """
    rows = machine(arch).firmware
    if kind not in rows:
        raise UsageError(
            f"there is no firmware {kind} for {arch}", hint=f"there are: {', '.join(rows)}"
        )
    found = rows[kind].installed()
    if found is None:
        raise InfrastructureError(
            f"the firmware file {rows[kind].candidates[-1].missing} is not there",
            hint=f"apt-get install {rows[kind].candidates[-1].package}",
        )
    return found


def promised(arch: str, packages: Collection[str]) -> tuple[str, ...]:
    """The firmware kinds that an image with these packages promises to start with."""
    rows = machine(arch).firmware
    return tuple(name for name, kind in rows.items() if kind.promised(packages))


def installed(arch: str) -> tuple[str, ...]:
    """The firmware kinds of an architecture that are installed here."""
    return tuple(name for name, kind in machine(arch).firmware.items() if kind.installed())


def usual(arch: str) -> str:
    """The firmware kind of an architecture for those who do not care: UEFI where there is one."""
    rows = machine(arch).firmware
    return "uefi" if "uefi" in rows else next(iter(rows))
