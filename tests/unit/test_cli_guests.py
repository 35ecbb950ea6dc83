# SPDX-License-Identifier: GPL-2.0-or-later
"""Which way into an image `boot` and `run` take, and with which firmware."""

from __future__ import annotations

import platform
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from builder.builds import Built
from builder.cli import guests
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


TREE = Path("debian-13.rootfs.tar.xz")
FIRMWARE = ("bios", "uefi")


def built(folder: Path, *suffixes: str, arch: str = "amd64") -> Target:
    """A build that has these formats."""
    build = Built("debian-13", "20261120", folder)
    for suffix in suffixes:
        build.file(suffix).touch()
    return Target(build.file(suffixes[0]), arch, "cloud-init", build)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of amd64 that has all firmware."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(machines, "installed", lambda _arch: FIRMWARE)
    monkeypatch.setattr(machines, "firmware", lambda _arch, _kind: None)


@pytest.mark.parametrize(
    ("suffixes", "kinds"),
    [
        ((".qcow2",), FIRMWARE),
        ((".qcow2", ".rootfs.tar.xz"), (*FIRMWARE, "container")),
        ((".rootfs.tar.xz",), ("container",)),
    ],
)
@pytest.mark.usefixtures("host")
def test_the_ways_to_start_a_build(
    tmp_path: Path, suffixes: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    one = built(tmp_path, *suffixes)
    assert guests.kinds(one) == kinds
    for kind in kinds:
        image = guests.trial(one, kind).image
        assert image.name.endswith(".rootfs.tar.xz") == (kind == "container")


@pytest.mark.usefixtures("host")
def test_a_file_is_a_disk_or_a_tree() -> None:
    assert guests.kinds(Target(Path("debian-13.qcow2"), "amd64", "cloud-init")) == FIRMWARE
    tree = Target(TREE, "amd64", "cloud-init")
    assert guests.kinds(tree) == ("container",)
    assert guests.trial(tree, "container").image == TREE
    with pytest.raises(UsageError, match="is no disk, and has no firmware uefi"):
        guests.trial(tree, "uefi")


@pytest.mark.usefixtures("host")
def test_a_build_without_a_tree_is_no_container(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no root file system's tarball") as caught:
        guests.trial(built(tmp_path, ".qcow2"), "container")
    assert "--format rootfs.tar.xz" in caught.value.hint


@pytest.mark.usefixtures("host")
def test_a_container_of_another_architecture_must_be_asked_for(tmp_path: Path) -> None:
    other = built(tmp_path, ".qcow2", ".rootfs.tar.xz", arch="arm64")
    assert guests.kinds(other) == FIRMWARE
    with pytest.raises(InfrastructureError, match="kernel of its host"):
        guests.trial(other, "container")
