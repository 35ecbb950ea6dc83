# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `builder.checks.boot`, each seen failing on every kind of bad tree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.checks.boot import LOADERS
from builder.models import ARCHES
from tests.unit.checks.spoil import (
    GRUB_CFG,
    Bad,
    Change,
    append,
    assert_fails,
    both,
    failures,
    remove,
    swap,
    write,
)
from tests.unit.checks.tree import PROMISE, STATUS, VERSION, put, settle

CLOUD = "6.12+deb13-cloud-amd64"


def package(name: str) -> str:
    return f"\nPackage: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"


BAD: list[Bad] = [
    (
        "kernel kernel-flavour",
        "linux-image-amd64 is not",
        swap("var/lib/dpkg/status", "Package: linux-image-amd64", "Package: none"),
    ),
    ("kernel", "no kernel", remove("boot/vmlinuz-" + VERSION)),
    ("kernel", "initrd.img", write("boot/initrd.img-" + VERSION, "")),
    ("kernel kernel-flavour", "initrd.img-7 is missing", write("boot/vmlinuz-7")),
    ("kernel kernel-flavour", "modules/7 is missing", write("boot/vmlinux-7")),
    (
        "kernel-flavour",
        "/boot has the kernel 6.12+deb13-cloud-amd64, and linux-image-amd64 was",
        both(
            write(f"boot/vmlinuz-{CLOUD}"),
            write(f"boot/initrd.img-{CLOUD}"),
            write(f"usr/lib/modules/{CLOUD}/x"),
        ),
    ),
    (
        "kernel-flavour",
        f"/usr/lib/modules/{CLOUD} belongs to no kernel",
        write(f"usr/lib/modules/{CLOUD}/x"),
    ),
    (
        "kernel-flavour",
        f"linux-image-{CLOUD} is installed",
        append("var/lib/dpkg/status", package(f"linux-image-{CLOUD}")),
    ),
    (
        "kernel-flavour",
        "linux-image-cloud-amd64 is installed",
        append("var/lib/dpkg/status", package("linux-image-cloud-amd64")),
    ),
    ("boot-loader kernel-command-line", "/boot/grub/grub.cfg is missing", remove(GRUB_CFG)),
    (
        "boot-loader",
        "/boot/grub/i386-pc/core.img is missing or empty, and BIOS needs it",
        write("boot/grub/i386-pc/core.img", ""),
    ),
    (
        "boot-loader",
        "BOOTX64.EFI is missing or empty, and UEFI",
        remove("boot/efi/EFI/BOOT/BOOTX64.EFI"),
    ),
    ("boot-loader", "shimx64.efi is missing", remove("boot/efi/EFI/debian/shimx64.efi")),
    (
        "boot-loader",
        "/boot/efi/EFI/[a-z]*/grub.cfg is missing",
        remove("boot/efi/EFI/debian/grub.cfg"),
    ),
    ("boot-loader", "x86_64-efi/normal.mod is missing", remove("boot/grub/x86_64-efi/normal.mod")),
    ("fstab", "/etc/fstab:5 names /dev/sda1", append("etc/fstab", "/dev/sda1 /mnt ext4 rw 0 2\n")),
    (
        "fstab",
        "/etc/fstab:5 mounts /data, which is missing",
        append("etc/fstab", "LABEL=data /data ext4 rw 0 2\n"),
    ),
    ("fstab", "mounts /boot/efi 0 times", swap("etc/fstab", "UUID=AB-CD /boot/efi", "# none")),
    (
        "fstab",
        "mounts /boot/efi 2 times",
        append("etc/fstab", "UUID=AB-CD /boot/efi vfat rw 0 2\n"),
    ),
    ("fstab kernel-command-line", "mounts / 0 times", remove("etc/fstab")),
]


@pytest.mark.parametrize(("name", "word", "spoil"), BAD)
def test_bad_tree_fails(tree: Path, name: str, word: str, spoil: Change) -> None:
    assert_fails(tree, name, word, spoil)


@pytest.mark.parametrize("arch", LOADERS)
def test_each_architecture_has_its_loaders(tree: Path, arch: str) -> None:
    paths = [path.replace("[a-z]*", "debian") for one in LOADERS[arch] for path in one.files]
    for path in paths:
        put(tree, path[1:])
    settle(tree)
    assert failures(tree, replace(PROMISE, arch=arch)) == {}
    for path in paths:
        put(tree, path[1:], "")
        assert "boot-loader" in failures(tree, replace(PROMISE, arch=arch))
        put(tree, path[1:])


def test_every_architecture_has_a_row() -> None:
    assert list(LOADERS) == list(ARCHES)


@pytest.mark.parametrize(
    ("kernel", "depends"),
    [
        (f"linux-image-{VERSION}", ""),
        (f"linux-image-unsigned-{VERSION}", ""),
        ("linux-image-generic", f"linux-image-{VERSION} | linux-image-unsigned-{VERSION}, x"),
        ("linux-image-arm64", f"linux-image-{VERSION}:arm64 (>= 1)"),
    ],
)
def test_flavour_of_other_kernels(tree: Path, kernel: str, depends: str) -> None:
    entry = package(kernel) + (f"Depends: {depends}\n" if depends else "")
    put(tree, "var/lib/dpkg/status", STATUS.partition("\n\n")[0] + "\n" + entry)
    settle(tree)
    assert failures(tree, replace(PROMISE, kernel=kernel)) == {}


def test_an_image_without_kernel_has_none(tree: Path) -> None:
    assert "none was promised" in failures(tree, replace(PROMISE, kernel=None))["kernel-flavour"]
