# SPDX-License-Identifier: GPL-2.0-or-later
"""Which way into an image `boot` and `run` take, and with which firmware."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from builder.cli.guests import Target, firmware_kinds, login_of
from builder.errors import InfrastructureError, UsageError
from builder.guest import machines
from builder.guest.hardware import Kind
from builder.manifest.model import Manifest


@pytest.mark.parametrize(
    ("packages", "login"),
    [
        (("apt", "cloud-init"), "cloud-init"),
        (("apt", "cloud-initramfs-growroot"), "credentials"),
        ((), "credentials"),
    ],
)
def test_the_packages_tell_the_way_in(packages: tuple[str, ...], login: str) -> None:
    manifest = SimpleNamespace(packages=[SimpleNamespace(name=name) for name in packages])
    assert login_of(cast(Manifest, manifest)) == login


def target(*packages: str, arch: str = "amd64") -> Target:
    """A build with these packages."""
    manifest = SimpleNamespace(packages=[SimpleNamespace(name=name) for name in packages])
    return Target(Path("x.qcow2"), arch, "cloud-init", manifest=cast(Manifest, manifest))


def test_a_build_is_booted_with_what_it_promises() -> None:
    assert firmware_kinds(target("grub-efi-amd64-bin")) == ("uefi",)
    assert firmware_kinds(target("grub-ieee1275", arch="ppc64el")) == ("ieee1275",)


def test_a_build_without_boot_loader_says_so() -> None:
    with pytest.raises(UsageError, match="no boot loader") as caught:
        firmware_kinds(target("systemd-boot"))
    assert "secureboot" in caught.value.hint


def test_a_file_is_booted_with_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Target(Path("x.qcow2"), "arm64", "cloud-init")
    monkeypatch.setattr(machines, "installed", lambda _arch: ("uefi",))
    assert firmware_kinds(file) == ("uefi",)
    monkeypatch.setattr(machines, "installed", lambda _arch: ())
    monkeypatch.setattr(Kind, "installed", lambda _kind: None)
    with pytest.raises(InfrastructureError) as caught:
        firmware_kinds(file)
    assert caught.value.hint == "apt-get install qemu-efi-aarch64"
