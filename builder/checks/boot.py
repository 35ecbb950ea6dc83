# SPDX-License-Identifier: GPL-2.0-or-later
"""What an image needs to start: the right kernel, boot loaders, and file systems to mount.

Each function is one check, named and given its reason in `builder.checks.offline`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.checks.terms import Subject

# A package with a kernel in it; a name without a version (linux-image-amd64) only leads to one.
KERNEL_PACKAGE = re.compile(r"linux-image-(?:unsigned-)?(?P<version>[0-9].*?)(?:-unsigned)?")
NO_KERNEL = ("-dbg", "-dbgsym")
GRUB_CFG = "/boot/grub/grub.cfg"
ESP = "/boot/efi"


@dataclass(frozen=True)
class Loader:
    """One way to start an architecture: the files that it takes, and for what."""

    name: str
    files: tuple[str, ...]


def _efi(machine: str, *, platform: str, shim: bool) -> Loader:
    """EFI's removable path and the folder that Debian's packages update."""
    short = machine.lower()
    folders = (f"{ESP}/EFI/BOOT", f"{ESP}/EFI/[a-z]*")
    grub = tuple(f"{each}/grub{short}.efi" for each in (folders if shim else folders[1:]))
    settings = tuple(f"{each}/grub.cfg" for each in folders)
    signed = (f"{ESP}/EFI/[a-z]*/shim{short}.efi",) if shim else ()
    files = (f"{ESP}/EFI/BOOT/BOOT{machine}.EFI", *signed, *grub, *settings)
    return Loader("UEFI", (*files, f"/boot/grub/{platform}/normal.mod"))


# The disk takes them from the tree; see builder.disk.assemble.
LOADERS: dict[str, tuple[Loader, ...]] = {
    "amd64": (
        Loader(
            "BIOS",
            (
                "/usr/lib/grub/i386-pc/boot.img",
                "/boot/grub/i386-pc/core.img",
                "/boot/grub/i386-pc/normal.mod",
            ),
        ),
        _efi("X64", platform="x86_64-efi", shim=True),
    ),
    "arm64": (_efi("AA64", platform="arm64-efi", shim=True),),
    "ppc64el": (
        Loader(
            "IEEE 1275",
            (
                "/boot/grub/powerpc-ieee1275/core.elf",
                "/boot/grub/powerpc-ieee1275/normal.mod",
            ),
        ),
    ),
    "riscv64": (_efi("RISCV64", platform="riscv64-efi", shim=False),),
}
# What of a disk is named in the same way whatever it is called on a machine.
STABLE_NAME = re.compile(r"(?:UUID|PARTUUID|LABEL|PARTLABEL)=\S+|/dev/(?:disk/by-|mapper/)\S+")
# File systems that are on no disk.
VIRTUAL = ("tmpfs", "proc", "sysfs", "devpts", "hugetlbfs", "swap", "overlay", "none")


def kernel(subject: Subject) -> Iterator[str]:
    """The promised kernel must be there, and each kernel with its initrd and modules."""
    promised = subject.promise.kernel
    if promised is None:
        return
    if not subject.has_package(promised):
        yield f"{promised} is not installed"
    kernels = _kernels(subject)
    if not kernels:
        yield "there is no kernel in /boot"
    for version in kernels:
        if not subject.root.size(f"boot/initrd.img-{version}"):
            yield f"/boot/initrd.img-{version} is missing or empty"
        if not subject.root.exists(f"usr/lib/modules/{version}"):
            yield f"/usr/lib/modules/{version} is missing"


def kernel_flavour(subject: Subject) -> Iterator[str]:
    """There must be the promised kernel and no other, neither its files nor a package of it.

    An image without a kernel of its own has none at all.
    """
    promised = subject.promise.kernel
    versions = tuple(_versions(subject, promised)) if promised is not None else ()
    for version in _kernels(subject):
        if version not in versions:
            yield f"/boot has the kernel {version}, and {promised or 'none'} was promised"
    for path in subject.root.glob("usr/lib/modules/*"):
        if path.rpartition("/")[2] not in versions:
            yield f"/{path} belongs to no kernel that was promised"
    for package in subject.packages:
        if not package.name.startswith("linux-image-") or package.name.endswith(NO_KERNEL):
            continue
        match = KERNEL_PACKAGE.fullmatch(package.name)
        if package.name != promised and (match is None or match["version"] not in versions):
            yield f"{package.name} is installed, and {promised or 'no kernel'} was promised"


def boot_loader(subject: Subject) -> Iterator[str]:
    """What each kind of firmware of the architecture starts must be there, and GRUB's menu."""
    if subject.promise.kernel is None:
        return
    if not subject.root.size(GRUB_CFG):
        yield f"{GRUB_CFG} is missing or empty"
    for loader in LOADERS[subject.promise.arch]:
        for pattern in loader.files:
            if not any(subject.root.size(path) for path in subject.root.glob(pattern)):
                yield f"{pattern} is missing or empty, and {loader.name} needs it"


def fstab(subject: Subject) -> Iterator[str]:
    """File systems must be mounted by names that every machine has, where there is a place."""
    if subject.promise.kernel is None:
        return
    places = []
    for number, line in enumerate(subject.root.lines("etc/fstab"), 1):
        fields = line.split()
        if len(fields) < 3 or line.lstrip().startswith("#"):
            continue
        source, place, kind, *_ = fields
        places.append(place)
        if kind not in VIRTUAL and not STABLE_NAME.fullmatch(source):
            yield f"/etc/fstab:{number} names {source}, which another machine may call otherwise"
        if place.startswith("/") and subject.root.resolve(place) is None:
            yield f"/etc/fstab:{number} mounts {place}, which is missing"
    wanted = ["/", *([ESP] if subject.root.glob(f"{ESP}/EFI/*") else [])]
    for place in wanted:
        if places.count(place) != 1:
            yield f"/etc/fstab mounts {place} {places.count(place)} times, not once"


def _kernels(subject: Subject) -> tuple[str, ...]:
    """The versions of the kernels in /boot, which some architectures call vmlinux."""
    paths = subject.root.glob("boot/vmlinu[xz]-*")
    return tuple(path.partition("-")[2] for path in paths)


def _versions(subject: Subject, promised: str) -> Iterator[str]:
    """The kernels that a package brings: its own, or those that it depends on."""
    depends = [name for each in subject.dpkg if each.name == promised for name in each.depends]
    for name in (promised, *depends):
        if match := KERNEL_PACKAGE.fullmatch(name):
            yield match["version"]
