# SPDX-License-Identifier: GPL-2.0-or-later
"""binfmt_misc, by which the kernel hands programs of other architectures to an emulator.

Since Linux 6.7 every user namespace may have one of its own, which nobody outside sees and which
ends with it. Older kernels have only the machine's one, which is used as it is, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from builder.archive.aptroot import native_arch
from builder.errors import InfrastructureError

MACHINES_OWN = Path("/proc/sys/fs/binfmt_misc")
# O: the program is handed over opened, so it need not be readable; C: it runs with its own
# credentials; F: the emulator is opened now, so it need not be in the image's tree.
FLAGS = "OCF"


class Way(StrEnum):
    """How programs of an architecture run in a build."""

    NATIVE = "native"
    PRIVATE = "private"
    MACHINE = "machine"


@dataclass(frozen=True)
class Format:
    """The ELF programs of an architecture: the number of its machine, and who emulates it.

    `loader` and `triplet` are for programs that run natively in a tree of another architecture: the
    path of their dynamic loader, and the name that Debian's multiarch gives to their libraries.
    """

    machine: int  # e_machine in elf(5)
    qemu: str
    loader: str
    triplet: str

    @property
    def magic(self) -> bytes:
        """The first bytes of a program: 64 bits, little endian, an executable of this machine."""
        ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
        return ident + (2).to_bytes(2, "little") + self.machine.to_bytes(2, "little")

    @property
    def mask(self) -> bytes:
        """The bits of `magic` that count: any OS ABI, and position-independent programs too."""
        return b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff" + b"\xff\xff"


# All are little endian; each is both an image's and, for others, a build machine's architecture.
FORMATS = {
    "amd64": Format(62, "qemu-x86_64", "/lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
    "arm64": Format(183, "qemu-aarch64", "/lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu"),
    "ppc64el": Format(21, "qemu-ppc64le", "/lib64/ld64.so.2", "powerpc64le-linux-gnu"),
    "riscv64": Format(243, "qemu-riscv64", "/lib/ld-linux-riscv64-lp64d.so.1", "riscv64-linux-gnu"),
}


@dataclass(frozen=True)
class Registration:
    """One entry of a binfmt_misc, as the kernel shows it."""

    enabled: bool
    interpreter: str
    flags: str
    magic: bytes
    mask: bytes

    def takes(self, header: bytes) -> bool:
        """Whether a program that begins like this is handed to the interpreter."""
        mask = self.mask or b"\xff" * len(self.magic)
        pairs = zip(self.magic, mask, header, strict=False)
        return self.enabled and bool(self.magic) and all(m & k == h & k for m, k, h in pairs)


def choose(arch: str, *, private: Callable[[], bool]) -> Way:
    """In which way programs of `arch` can run here; `private` tries for one of our own.

    Where there is no way, an InfrastructureError says what to install.
    """
    if arch == native_arch():
        return Way.NATIVE
    if private():
        return Way.PRIVATE
    entries = [each for each in registrations() if each.takes(FORMATS[arch].magic)]
    if not entries:
        raise InfrastructureError(
            f"this machine cannot run the programs of {arch}, which building for it needs",
            hint="build under Linux 6.7 or newer, or run as root: apt-get install qemu-user-static",
        )
    if "F" not in entries[0].flags:
        raise InfrastructureError(
            f"this machine runs the programs of {arch} by {entries[0].interpreter}, which an"
            " image's tree does not have",
            hint="it must be registered with the flag F, as Debian's packages do; build under Linux"
            " 6.7 or newer, or run as root: apt-get install --reinstall qemu-user-static",
        )
    return Way.MACHINE


def registrations(folder: Path = MACHINES_OWN) -> Iterator[Registration]:
    """What is registered in a binfmt_misc; nothing where none is mounted."""
    for path in sorted(folder.glob("*")):
        if path.name not in ("register", "status"):
            yield parse(path.read_text(encoding="utf-8", errors="replace"))


def parse(text: str) -> Registration:
    """Read what the kernel says of one entry (Documentation/admin-guide/binfmt-misc.rst)."""
    lines = text.splitlines()
    words = dict(line.rstrip(":").partition(" ")[::2] for line in lines)
    return Registration(
        enabled="enabled" in lines,
        interpreter=words.get("interpreter", ""),
        flags=words.get("flags:", ""),
        # An entry that goes by the name of a file has an extension instead.
        magic=bytes.fromhex(words.get("magic", "")) if words.get("offset") == "0" else b"",
        mask=bytes.fromhex(words.get("mask", "")),
    )


def line(arch: str, interpreter: Path) -> bytes:
    """The line that registers an emulator (Documentation/admin-guide/binfmt-misc.rst)."""
    form = FORMATS[arch]
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in each) for each in (form.magic, form.mask))
    return f":fai-forge-{arch}:M::{magic}:{mask}:{interpreter}:{FLAGS}".encode("ascii")
