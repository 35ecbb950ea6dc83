# SPDX-License-Identifier: GPL-2.0-or-later
"""The domain XML: what each firmware and acceleration asks of libvirt."""

from __future__ import annotations

import base64
import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.guest import credentials, domain, machines, ssh

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


def spec(firmware: str = "bios", accel: str = "tcg", name: str = "g") -> domain.GuestSpec:
    return domain.GuestSpec(
        name=name,
        arch="amd64",
        firmware=firmware,
        accel=accel,
        disk=Path("/run/disk.qcow2"),
        seed=Path("/run/seed.img"),
        nvram=None if firmware == "bios" else Path("/run/nvram.fd"),
        console=Path("/run/console.log"),
        ssh_port=2222,
    )


def test_credentials_are_oem_strings_of_the_smbios() -> None:
    strings = credentials.oem_strings("ssh-ed25519 AAAA run")
    root = tree(dataclasses.replace(spec("uefi"), seed=None, oem_strings=strings))
    assert tuple(entry.text for entry in root.findall("sysinfo/oemStrings/entry")) == strings
    smbios = root.find("os/smbios")
    assert smbios is not None
    assert smbios.get("mode") == "sysinfo"
    assert len(root.findall("devices/disk")) == 1


def test_without_credentials_the_smbios_is_the_emulators() -> None:
    root = tree(spec())
    assert root.find("sysinfo") is None
    assert root.find("os/smbios") is None


def test_a_credential_is_what_systemd_reads() -> None:
    first, *_ = credentials.oem_strings("ssh-ed25519 AAAA run")
    name, _, text = first.partition("=")
    assert name == "io.systemd.credential.binary:ssh.authorized_keys.root"
    assert base64.b64decode(text) == b"ssh-ed25519 AAAA run\n"


def test_host_keys_are_printed_as_they_are_looked_for() -> None:
    service = credentials.credentials("k")[f"systemd.extra-unit.{credentials.UNIT}"]
    assert service.index(ssh.KEYS_BEGIN) < service.index("_key.pub") < service.index(ssh.KEYS_END)


def tree(one: domain.GuestSpec, privileged: bool = False) -> ET.Element:
    return ET.fromstring(domain.render(one, privileged=privileged))  # noqa: S314


@pytest.mark.parametrize(
    ("firmware", "loader", "secure", "smm"),
    [
        ("bios", None, None, None),
        ("uefi", "/usr/share/OVMF/OVMF_CODE_4M.fd", "no", None),
        ("secureboot", "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "yes", "on"),
    ],
)
def test_firmware(firmware: str, loader: str | None, secure: str | None, smm: str | None) -> None:
    root = tree(spec(firmware))
    found = root.find("os/loader")
    assert (found.text if found is not None else None) == loader
    assert (found.get("secure") if found is not None else None) == secure
    state = root.find("features/smm")
    assert (state.get("state") if state is not None else None) == smm
    assert (root.findtext("os/nvram") is None) == (firmware == "bios")


def test_secure_boot_has_the_template_with_keys() -> None:
    rows = machines.MACHINES["amd64"].firmware
    assert rows["secureboot"].variables == Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
    assert rows["uefi"].variables != rows["secureboot"].variables


@pytest.mark.parametrize(
    ("accel", "kind", "mode"), [("kvm", "kvm", "host-passthrough"), ("tcg", "qemu", "custom")]
)
def test_acceleration(accel: str, kind: str, mode: str) -> None:
    root = tree(spec(accel=accel))
    assert root.get("type") == kind
    cpu = root.find("cpu")
    assert cpu is not None
    assert cpu.get("mode") == mode


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


@pytest.mark.parametrize(("arch", "kind"), [("amd64", "openfirmware"), ("m68k", "bios")])
def test_unknown_rows_name_the_known_ones(arch: str, kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        machines.firmware(arch, kind)
    assert ("amd64" in caught.value.hint) or ("secureboot" in caught.value.hint)


def test_missing_firmware_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    row = machines.Firmware(code=Path("/nonexistent/CODE.fd"), package="ovmf")
    machine = dataclasses.replace(machines.MACHINES["amd64"], firmware={"uefi": row})
    monkeypatch.setitem(machines.MACHINES, "amd64", machine)
    with pytest.raises(InfrastructureError) as caught:
        machines.firmware("amd64", "uefi")
    assert caught.value.hint == "apt-get install ovmf"


@pytest.mark.parametrize(("accel", "processors"), [("kvm", "2"), ("tcg", "1")])
def test_an_emulated_guest_has_one_processor(accel: str, processors: str) -> None:
    assert tree(spec(accel=accel)).findtext("vcpu") == processors
