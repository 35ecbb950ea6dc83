# SPDX-License-Identifier: GPL-2.0-or-later
"""The domain XML: what each architecture, firmware and acceleration asks of libvirt."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from builder.guest import credentials, domain
from builder.guest.machines import MACHINES

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
USUAL = {"amd64": "bios", "arm64": "uefi", "ppc64el": "ieee1275", "riscv64": "uefi"}


def spec(
    firmware: str = "", accel: str = "tcg", name: str = "g", arch: str = "amd64"
) -> domain.GuestSpec:
    kind = firmware or USUAL[arch]
    # The last candidate, whatever is installed here.
    loader = MACHINES[arch].firmware[kind].candidates[-1]
    return domain.GuestSpec(
        name=name,
        arch=arch,
        firmware=kind,
        accel=accel,
        disk=Path("/run/disk.qcow2"),
        seed=Path("/run/seed.img"),
        nvram=None if loader.variables is None else Path("/run/nvram.fd"),
        console=Path("/run/console.log"),
        ssh_port=2222,
        loader=loader,
    )


def tree(one: domain.GuestSpec, privileged: bool = False) -> ET.Element:
    return ET.fromstring(domain.render(one, privileged=privileged))  # noqa: S314


def attribute(root: ET.Element, path: str, name: str) -> str | None:
    """An attribute of an element that may not be there."""
    found = root.find(path)
    return None if found is None else found.get(name)


@pytest.mark.parametrize(
    ("arch", "machine", "console", "acpi"),
    [
        ("amd64", ("x86_64", "q35"), "isa-serial", True),
        ("arm64", ("aarch64", "virt"), "pl011", True),
        ("ppc64el", ("ppc64le", "pseries"), "spapr-vty", False),
        ("riscv64", ("riscv64", "virt"), "16550a", False),
    ],
)
def test_an_architecture(arch: str, machine: tuple[str, str], console: str, acpi: bool) -> None:
    root = tree(spec(arch=arch))
    assert (attribute(root, "os/type", "arch"), attribute(root, "os/type", "machine")) == machine
    chip = attribute(root, "devices/serial/target/model", "name")
    assert console in (chip, attribute(root, "devices/serial/target", "type"))
    assert (root.find("features/acpi") is not None) == acpi


@pytest.mark.parametrize(
    ("arch", "firmware", "loader", "secure", "smm"),
    [
        ("amd64", "bios", None, None, None),
        ("amd64", "uefi", "/usr/share/OVMF/OVMF_CODE_4M.fd", "no", None),
        ("amd64", "secureboot", "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "yes", "on"),
        # Here libvirt's word for it is about SMM, which the machine does not have.
        ("arm64", "secureboot", "/usr/share/AAVMF/AAVMF_CODE.ms.fd", None, None),
        ("ppc64el", "ieee1275", None, None, None),
        ("riscv64", "uefi", None, None, None),
    ],
)
def test_firmware(
    arch: str, firmware: str, loader: str | None, secure: str | None, smm: str | None
) -> None:
    root = tree(spec(firmware, arch=arch))
    assert root.findtext("os/loader") == loader
    assert attribute(root, "os/loader", "secure") == secure
    assert attribute(root, "features/smm", "state") == smm
    assert (root.findtext("os/nvram") is None) == (loader is None)


def test_u_boot_is_started_as_a_kernel() -> None:
    kernel = tree(spec(arch="riscv64")).findtext("os/kernel")
    assert kernel == "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"
    assert tree(spec(arch="arm64")).find("os/kernel") is None


@pytest.mark.parametrize(
    ("arch", "firmware", "speaks"),
    [("amd64", "bios", False), ("amd64", "uefi", True), ("ppc64el", "ieee1275", True)],
)
def test_only_the_bios_is_silent(arch: str, firmware: str, speaks: bool) -> None:
    assert spec(firmware, arch=arch).firmware_speaks == speaks


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_credentials_are_oem_strings_of_the_smbios(arch: str) -> None:
    wanted = {"some": "text", "other": "lines\n"}
    root = tree(dataclasses.replace(spec("uefi", arch=arch), seed=None, credentials=wanted))
    entries = tuple(entry.text for entry in root.findall("sysinfo/oemStrings/entry"))
    assert entries == credentials.oem_strings(wanted)
    assert attribute(root, "os/smbios", "mode") == "sysinfo"
    assert len(root.findall("devices/disk")) == 1


def test_credentials_are_files_of_fw_cfg() -> None:
    wanted = {"some": "text", "other": "lines\n"}
    edk2 = MACHINES["riscv64"].firmware["uefi"].candidates[0]
    guest = dataclasses.replace(spec(arch="riscv64"), seed=None, credentials=wanted, loader=edk2)
    root = tree(guest)
    assert attribute(root, "sysinfo", "type") == "fwcfg"
    entries = {entry.get("name"): entry.text for entry in root.findall("sysinfo/entry")}
    assert entries == credentials.fw_cfg(wanted)
    assert root.find("os/smbios") is None


@pytest.mark.parametrize("arch", MACHINES)
def test_without_credentials_the_machine_is_the_emulators(arch: str) -> None:
    root = tree(spec(arch=arch))
    assert root.find("sysinfo") is None
    assert root.find("os/smbios") is None


@pytest.mark.parametrize("arch", MACHINES)
@pytest.mark.parametrize("accel", ["kvm", "tcg"])
def test_acceleration(accel: str, arch: str) -> None:
    root = tree(spec(accel=accel, arch=arch))
    model = MACHINES[arch].cpu_tcg
    own = "custom" if model else None
    assert root.get("type") == {"kvm": "kvm", "tcg": "qemu"}[accel]
    assert attribute(root, "cpu", "mode") == {"kvm": "host-passthrough", "tcg": own}[accel]
    assert root.findtext("cpu/model") == (model if accel == "tcg" else None)


def test_an_emulated_pc_runs_what_asks_for_x86_64_v2_and_has_no_machines_within() -> None:
    features = {each.get("name"): each.get("policy") for each in tree(spec()).iter("feature")}
    assert features == {
        "ssse3": "require",
        "sse4.1": "require",
        "sse4.2": "require",
        "svm": "disable",
    }
    assert not list(tree(spec(accel="kvm")).iter("feature"))


@pytest.mark.parametrize(("accel", "processors"), [("kvm", "2"), ("tcg", "1")])
def test_an_emulated_guest_has_one_processor(accel: str, processors: str) -> None:
    assert tree(spec(accel=accel)).findtext("vcpu") == processors


def test_disks_are_virtio_and_the_seed_is_read_only() -> None:
    disks = tree(spec()).findall("devices/disk")
    assert [disk.find("target").get("bus") for disk in disks] == ["virtio", "virtio"]  # type: ignore[union-attr]
    assert [disk.find("readonly") is not None for disk in disks] == [False, True]


def test_the_network_listens_on_the_loopback_only() -> None:
    words = [arg.get("value") or "" for arg in tree(spec()).iter(f"{QEMU}arg")]
    (netdev,) = [word for word in words if word.startswith("user,")]
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in netdev
    assert "ipv6=on" in netdev


def test_root_relabels_nothing_and_a_user_says_nothing() -> None:
    label = tree(spec(), privileged=True).find("seclabel")
    assert label is not None
    assert (label.get("relabel"), label.findtext("label")) == ("no", "+0:+0")
    assert tree(spec(), privileged=False).find("seclabel") is None


def test_what_is_filled_in_is_escaped() -> None:
    name = "a<b>&'\""
    assert tree(spec(name=name)).findtext("name") == name
