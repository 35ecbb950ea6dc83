# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's schema and QEMU take the machine of every row, with each firmware and way in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from builder.guest import domain, hypervisor, machines
from builder.guest.credentials import credentials
from builder.guest.overlay import copy_nvram
from builder.guest.seed import write_seed
from builder.models import DEFAULT_ARCH
from builder.run import run

# What other architectures need is installed where all tests are run.
ROWS = [
    pytest.param(arch, kind, by_seed, marks=() if arch == DEFAULT_ARCH else pytest.mark.thorough)
    for arch, row in machines.MACHINES.items()
    for kind in row.firmware
    for by_seed in (True, False)
    # Not with U-Boot: there is no other way in than a seed.
    if by_seed or getattr(row.firmware[kind].installed(), "credentials", None)
]
KEY = "ssh-ed25519 AAAA a key"
# The guest is made and stopped before its first instruction; it ends with the connection.
FLAGS = (
    libvirt.VIR_DOMAIN_START_VALIDATE
    | libvirt.VIR_DOMAIN_START_PAUSED
    | libvirt.VIR_DOMAIN_START_AUTODESTROY
)


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[Any]:
    """A connection of our own, beside the one that keeps the daemon running."""
    with hypervisor.hypervisor() as host:
        connection = libvirt.open(host.uri)
        try:
            yield connection
        finally:
            connection.close()


@pytest.mark.parametrize(("arch", "kind", "by_seed"), ROWS)
def test_a_machine_is_made(
    libvirtd: Any, arch: str, kind: str, by_seed: bool, tmp_path: Path
) -> None:
    machines.machine(arch).require()
    loader = machines.firmware(arch, kind)
    disk = tmp_path / "disk.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"])
    spec = domain.GuestSpec(
        name=f"fai-forge-test-{uuid.uuid4().hex[:8]}",
        arch=arch,
        firmware=kind,
        accel="tcg",
        disk=disk,
        seed=write_seed(tmp_path, "test", KEY) if by_seed else None,
        nvram=copy_nvram(loader, tmp_path),
        console=tmp_path / "console.log",
        # Whoever has a port already is not disturbed: 0 lets the kernel choose.
        ssh_port=0,
        loader=loader,
        credentials={} if by_seed else credentials(arch, loader, KEY),
    )
    guest = libvirtd.createXML(domain.render(spec), FLAGS)
    state, _reason = guest.state()
    assert state == libvirt.VIR_DOMAIN_PAUSED
    guest.destroy()
