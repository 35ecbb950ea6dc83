# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of machines: one row per architecture, its firmware, and what an image promises."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.guest import machines
from builder.guest.hardware import Firmware, Kind, Loading
from builder.models import ARCHES

ALL = [(arch, kind) for arch, row in machines.MACHINES.items() for kind in row.firmware]
SIGNED = {"grub-efi-amd64-signed", "shim-signed"}


def with_kind(monkeypatch: pytest.MonkeyPatch, *candidates: Firmware) -> None:
    """Let amd64 have one firmware kind only."""
    row = dataclasses.replace(machines.machine("amd64"), firmware={"uefi": Kind(candidates, ())})
    monkeypatch.setitem(machines.MACHINES, "amd64", row)


def test_every_architecture_has_a_row() -> None:
    assert tuple(machines.MACHINES) == tuple(ARCHES)


@pytest.mark.parametrize(("arch", "kind"), ALL)
def test_files_come_from_a_package_and_keys_with_variables(arch: str, kind: str) -> None:
    for one in machines.MACHINES[arch].firmware[kind].candidates:
        assert bool(one.package) == (one.code is not None)
        assert one.secure == (kind == "secureboot")
        # Keys are variables, and only flash holds any.
        assert one.variables is not None or not one.secure
        assert one.loading == Loading.FLASH or one.variables is None


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_secure_boot_has_the_template_with_keys(arch: str) -> None:
    rows = machines.MACHINES[arch].firmware
    (secure,), (plain,) = rows["secureboot"].candidates, rows["uefi"].candidates
    assert secure.variables is not None
    assert secure.variables.name.endswith(".ms.fd")
    assert secure.variables != plain.variables


@pytest.mark.parametrize(("arch", "kind"), [("amd64", "openfirmware"), ("m68k", "bios")])
def test_unknown_rows_name_the_known_ones(arch: str, kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        machines.firmware(arch, kind)
    assert ("amd64" in caught.value.hint) or ("secureboot" in caught.value.hint)


def test_missing_firmware_names_the_package_that_every_release_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = Firmware(code=Path("/nonexistent/NEW.fd"), package="new")
    with_kind(monkeypatch, newer, Firmware(code=Path("/nonexistent/CODE.fd"), package="ovmf"))
    with pytest.raises(InfrastructureError) as caught:
        machines.firmware("amd64", "uefi")
    assert caught.value.hint == "apt-get install ovmf"
    assert machines.installed("amd64") == ()


def test_the_first_firmware_that_is_whole_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = tmp_path / "CODE.fd"
    code.touch()
    halved = Firmware(code=code, variables=tmp_path / "VARS.fd", package="halved")
    whole = Firmware(code=code, package="whole")
    with_kind(monkeypatch, halved, whole, Firmware(code=code, package="late"))
    assert machines.firmware("amd64", "uefi") is whole
    assert machines.installed("amd64") == ("uefi",)


@pytest.mark.parametrize(
    ("arch", "packages", "kinds"),
    [
        # Debian's grub-cloud-amd64, Ubuntu's own choice, and an image without shim.
        ("amd64", {"grub-pc-bin", "grub-efi-amd64-bin", *SIGNED}, ("bios", "uefi", "secureboot")),
        ("amd64", {"grub-pc-bin", *SIGNED}, ("bios", "uefi", "secureboot")),
        ("amd64", {"grub-efi-amd64-bin", "grub-efi-amd64-signed"}, ("uefi",)),
        ("amd64", {"grub-pc-bin"}, ("bios",)),
        ("amd64", {"linux-image-amd64", "systemd-boot"}, ()),
        ("arm64", {"grub-efi-arm64-bin"}, ("uefi",)),
        ("arm64", {"grub-efi-arm64-signed", "shim-signed"}, ("uefi", "secureboot")),
        ("arm64", SIGNED, ()),
        ("ppc64el", {"grub-ieee1275"}, ("ieee1275",)),
        ("riscv64", {"grub-efi-riscv64"}, ("uefi",)),
    ],
)
def test_what_an_image_promises_is_in_its_packages(
    arch: str, packages: set[str], kinds: tuple[str, ...]
) -> None:
    assert machines.promised(arch, packages) == kinds


@pytest.mark.parametrize(
    ("arch", "kind"),
    [("amd64", "uefi"), ("arm64", "uefi"), ("ppc64el", "ieee1275"), ("riscv64", "uefi")],
)
def test_who_does_not_care_gets_uefi_where_it_is(arch: str, kind: str) -> None:
    assert machines.usual(arch) == kind
