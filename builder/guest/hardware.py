# SPDX-License-Identifier: GPL-2.0-or-later
"""What a row of the table of machines holds: an architecture's virtual hardware and firmware."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Loading(StrEnum):
    """How the emulator gets the firmware: from flash, or as if it were a kernel."""

    FLASH = "flash"
    KERNEL = "kernel"


class Channel(StrEnum):
    """How systemd credentials reach a guest: as SMBIOS strings, or by QEMU's fw_cfg device."""

    SMBIOS = "smbios"
    FW_CFG = "fw_cfg"


@dataclass(frozen=True)
class Firmware:
    """How a machine starts: no `code` means the emulator's own firmware (BIOS, SLOF).

    `variables` is the template of the NVRAM, copied for every run; `secure` means that Secure
    Boot is enforced, with the keys that the template holds. `speaks` is whether it writes to the
    serial console. `package` is Debian's, with the files. `credentials` is how systemd's come in
    with it, if at all: firmware may replace the emulator's SMBIOS by one of its own.
    """

    code: Path | None = None
    variables: Path | None = None
    secure: bool = False
    package: str = ""
    loading: Loading = Loading.FLASH
    speaks: bool = True
    credentials: Channel | None = Channel.SMBIOS

    @property
    def missing(self) -> Path | None:
        """A file of it that is not there."""
        paths = (path for path in (self.code, self.variables) if path is not None)
        return next((path for path in paths if not path.exists()), None)


@dataclass(frozen=True)
class Kind:
    """A firmware kind of a machine: `candidates`, best first, of which the first that is installed
    is used, since Debian's releases have different ones; every release has the last.

    `image` names the packages of an image that make it promise this kind: all of them, each with
    its alternatives, as in a package's Depends.
    """

    candidates: tuple[Firmware, ...]
    image: tuple[str, ...]

    def installed(self) -> Firmware | None:
        """The first candidate that has all of its files here."""
        return next((one for one in self.candidates if one.missing is None), None)

    def promised(self, packages: Collection[str]) -> bool:
        """Whether an image with these packages has what it takes."""
        return all(
            any(name.strip() in packages for name in relation.split("|")) for relation in self.image
        )


@dataclass(frozen=True)
class Machine:
    """One architecture: libvirt's words for it, and what its virtual hardware is.

    `emulator` is QEMU's program. `cpu_tcg` names a CPU model for emulation (None: the machine's
    own default) and `cpu_features` what it has beyond the model, or lacks; under KVM the CPU is the
    host's. `serial` is the target's type and `serial_model`
    the chip, where libvirt wants to know it; `console` is what Linux calls that line. `nic` is a
    QEMU device, since the user network is not libvirt's. `slowness` multiplies the time limits
    of emulated guests; amd64's is 1. `tells_power_off` is false where QEMU just exits then, and
    libvirt takes that for a crash. `firmware` is keyed by what a person types.
    """

    libvirt_arch: str
    machine: str
    emulator: str
    require: Callable[[], None]
    cpu_tcg: str | None
    disk_bus: str
    nic: str
    serial: str
    serial_model: str | None
    console: str
    video: str | None
    acpi: bool
    smm: bool
    slowness: float
    firmware: dict[str, Kind]
    cpu_features: dict[str, bool] = field(default_factory=dict)
    tells_power_off: bool = True
