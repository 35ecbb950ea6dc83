# SPDX-License-Identifier: GPL-2.0-or-later
"""The faults that are planted into a copy of a good image, past the checks of a build."""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.live.faults.disk import Disk
from tests.live.faults.initrd import without

GRUB_CFG = "/boot/grub/grub.cfg"
WRONG_UUID = "00000000-1111-4222-8333-444444444444"
# Before any build: the first of January 2020.
OLD = 1577836800
LOADER = "/EFI/BOOT/grubx64.efi"
SHIM = "/EFI/BOOT/BOOTX64.EFI"


def no_disk_driver(disk: Disk) -> None:
    """The initramfs has no driver for the disk."""
    path = initrd(disk)
    disk.write(path, without(disk.read(path), r"/virtio_(blk|scsi)\.ko"))


def wrong_root(disk: Disk) -> None:
    """The kernel is told the UUID of another file system; GRUB itself finds the right one."""
    menu = disk.read(GRUB_CFG).decode()
    right = root_uuid(disk)
    assert f"root=UUID={right}" in menu
    disk.write(GRUB_CFG, menu.replace(f"root=UUID={right}", f"root=UUID={WRONG_UUID}"))


def no_initramfs(disk: Disk) -> None:
    """The menu starts the kernel alone, which has no driver for any disk: it panics."""
    menu = disk.read(GRUB_CFG).decode()
    lines = [line for line in menu.splitlines() if not line.strip().startswith("initrd")]
    disk.write(GRUB_CFG, "\n".join((*lines, "")))


def no_ssh(disk: Disk) -> None:
    """Nothing starts the SSH server."""
    for wanted in ("multi-user.target.wants/ssh.service", "sshd.service"):
        disk.remove(f"/etc/systemd/system/{wanted}")


def stale_host_key(disk: Disk) -> None:
    """The image has a host key of its own, and cloud-init is told to leave it alone."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path = "/etc/ssh/ssh_host_ed25519_key"
    disk.write(path, private, mode=0o600, mtime=OLD)
    disk.write(f"{path}.pub", public + b" root@build\n", mtime=OLD)
    disk.write("/etc/cloud/cloud.cfg.d/99-fault.cfg", "ssh_deletekeys: false\n", mtime=OLD)


def unsigned_loader(disk: Disk) -> None:
    """GRUB has lost its signature."""
    disk.write_esp(LOADER, unsigned(disk.read_esp(LOADER)))


def unsigned_shim(disk: Disk) -> None:
    """shim, which the firmware itself starts, has lost its signature."""
    disk.write_esp(SHIM, unsigned(disk.read_esp(SHIM)))


def initrd(disk: Disk) -> str:
    """The path of the initramfs."""
    (name,) = (name for name in disk.names("/boot") if name.startswith("initrd.img-"))
    return f"/boot/{name}"


def root_uuid(disk: Disk) -> str:
    """The UUID of the root file system, by /etc/fstab."""
    lines = (line.split() for line in disk.read("/etc/fstab").decode().splitlines())
    (source,) = (fields[0] for fields in lines if fields[1:2] == ["/"])
    return source.removeprefix("UUID=")


def unsigned(program: bytes) -> bytes:
    """An EFI program without its signature: the certificate table's entry is emptied.

    Source: the PE format, "Optional Header Data Directories"; PE32+ has them at 112.
    """
    (header,) = struct.unpack_from("<I", program, 0x3C)
    entry = header + 24 + 112 + 4 * 8
    assert struct.unpack_from("<II", program, entry)[1], "it was not signed"
    return program[:entry] + bytes(8) + program[entry + 8 :]
