# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's virtual machine as libvirt's domain XML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder import templates
from builder.guest.credentials import fw_cfg, oem_strings
from builder.guest.hardware import Channel, Firmware
from builder.guest.machines import machine

# How much memory a guest gets, in MiB: what a small cloud instance has.
MEMORY_MIB = 2048
# Processors by acceleration. An emulated guest has one: with more, QEMU may run an instruction that
# the kernel is patching from another processor, and the guest dies of a stray int3.
CPUS = {"kvm": 2, "tcg": 1}


@dataclass(frozen=True)
class GuestSpec:
    """All that varies from one domain to another; paths are absolute, `ssh_port` is the host's.

    `loader` is the firmware that is installed for the kind `firmware`. The way in is a `seed` for
    cloud-init, or `credentials` for systemd, by name.
    """

    name: str
    arch: str
    firmware: str
    accel: str
    disk: Path
    seed: Path | None
    nvram: Path | None
    console: Path
    ssh_port: int
    loader: Firmware = Firmware()  # noqa: RUF009 - it is frozen
    credentials: Mapping[str, str] = field(default_factory=dict)
    memory_mib: int = MEMORY_MIB

    @property
    def cpus(self) -> int:
        """How many processors the guest has."""
        return CPUS[self.accel]

    @property
    def firmware_speaks(self) -> bool:
        """Whether the firmware writes to the serial console: UEFI does, QEMU's BIOS does not."""
        return self.loader.speaks


def render(spec: GuestSpec, *, privileged: bool | None = None) -> str:
    """The domain XML of one guest.

    `privileged` (default: whether we are root) says that the domain is the system daemon's. There
    QEMU runs as root and nothing is relabelled: it must read a published file wherever that lies,
    and may not change who owns it.
    """
    channel = spec.loader.credentials
    template = templates.markup(Path(__file__).parent).get_template("domain.xml.j2")
    return template.render(
        guest=spec,
        machine=machine(spec.arch),
        firmware=spec.loader,
        oem_strings=oem_strings(spec.credentials) if channel == Channel.SMBIOS else (),
        fw_cfg=fw_cfg(spec.credentials) if channel == Channel.FW_CFG else {},
        privileged=os.geteuid() == 0 if privileged is None else privileged,
    )
