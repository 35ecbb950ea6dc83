# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images of unknown makers: which format they have, and that they lead to no other file.

The guest that wrote a raw disk chose its first bytes, so a name that says raw and a header that
says qcow2 are a question for a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.disk import qcow2
from builder.errors import CheckError, InfrastructureError, UsageError
from builder.run import needs, run

# What other formats begin with, so that none of them is taken for a raw disk.
OTHERS: Final[Mapping[bytes, str]] = {
    b"KDMV": "vmdk",
    b"# Disk DescriptorFile": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vpc",
    b"<<< ": "vdi",
    b"QED\0": "qed",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
}
# The names that say which format is meant.
SUFFIXES: Final[Mapping[str, str]] = {".qcow2": "qcow2", ".raw": "raw"}
FORMATS: Final = ("qcow2", "raw")
SECTOR: Final = 512
# Of `qemu-img check`: clusters are lost, and nothing else is wrong.
LEAKS: Final = 3
# Seconds; reading all tables of a disk of many TB takes a while.
PATIENCE: Final = 1800.0


@dataclass(frozen=True)
class Disk:
    """A disk image that was looked at; `size` is that of the disk, in bytes."""

    format: str
    size: int
    detail: str


def format_of(path: Path, said: str | None = None) -> str:
    """qcow2 or raw: what was said, else what the file's name and its first bytes agree upon.

    Raises UsageError for other formats, and where they do not agree.
    """
    start = _start(path)
    for magic, name in OTHERS.items():
        if start.startswith(magic) and said != "raw":
            raise UsageError(
                f"{path} is {name}, and only qcow2 and raw are taken",
                hint=f"qemu-img convert -f {name} -O qcow2 makes a qcow2 of a disk image; what is"
                " compressed must be unpacked; --format raw takes it as it is",
            )
    is_qcow2 = start.startswith(qcow2.MAGIC)
    named = said or SUFFIXES.get(path.suffix.lower())
    if named is None:
        return "qcow2" if is_qcow2 else "raw"
    if named == "qcow2" and not is_qcow2:
        raise UsageError(
            f"{path} does not begin as a qcow2 does", hint="--format raw, if it is a raw disk"
        )
    if named == "raw" and is_qcow2 and not said:
        raise UsageError(
            f"{path} is raw by its name, and begins as a qcow2 does",
            hint="say with --format which one it is; whoever used a raw disk can write there what"
            " they like, so believe who made it and not the file",
        )
    return named


def look(path: Path, format_: str) -> Disk:
    """Look at an image in a format that is known; CheckError where something is wrong with it."""
    if format_ == "qcow2":
        check_header(path)
    size = _size(path, format_)
    detail = _checked(path) if format_ == "qcow2" else "raw: a size in whole sectors"
    if size == 0 or (format_ == "raw" and size % SECTOR):
        raise CheckError(
            f"{path} has {size} bytes, which is no disk", hint="a disk has whole sectors of 512"
        )
    return Disk(format_, size, detail)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(qcow2.SIZE)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a disk image") from error


def check_header(path: Path) -> None:
    """Raise CheckError for a qcow2 that is more than one file, damaged, or encrypted."""
    wrong = qcow2.flaw(_start(path))
    if wrong:
        raise CheckError(
            f"{path} {wrong}",
            hint="qemu-img convert -O qcow2 makes a whole image of it, where it is used; nothing"
            " was taken in",
        )


@needs("qemu-img", package="qemu-utils", purpose="look at images that others made")
def _size(path: Path, format_: str) -> int:
    # An absolute path: nothing in front of its first slash could be taken for a protocol.
    argv: list[str | Path] = ["qemu-img", "info", "--output=json", "-f", format_, path.absolute()]
    done = run(argv, capture=True, check=False, timeout=PATIENCE)
    try:
        told = json.loads(done.output)
        found, size = told["format"], int(told["virtual-size"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckError(
            f"qemu-img cannot read {path} as {format_}", hint="is it whole? copy it again"
        ) from error
    if told.get("backing-filename") or found != format_:
        raise CheckError(f"{path} leads to another file", hint="nothing was taken in")
    return size


@needs("qemu-img", package="qemu-utils", purpose="look at images that others made")
def _checked(path: Path) -> str:
    """What `qemu-img check` says of a qcow2; CheckError where it is damaged."""
    argv: list[str | Path] = ["qemu-img", "check", "--output=json", "-f", "qcow2", path.absolute()]
    done = run(argv, capture=True, check=False, timeout=PATIENCE)
    try:
        told = json.loads(done.output)
    except ValueError as error:
        raise CheckError(
            f"qemu-img cannot check {path}", hint="is it whole? copy it again"
        ) from error
    errors = int(told.get("check-errors", 0)) + int(told.get("corruptions", 0))
    if errors or done.returncode not in (0, LEAKS):
        raise CheckError(
            f"{path} is damaged: qemu-img check finds {errors} errors",
            hint="copy it again from where it works; nothing was taken in",
        )
    leaks = int(told.get("leaks", 0))
    return f"qcow2: no errors, {leaks} leaked clusters" if leaks else "qcow2: no errors"


def copy(path: Path, target: Path) -> None:
    """Copy an image, with holes where it has only zeros; InfrastructureError without room."""
    piece_size = 1 << 20
    try:
        with path.open("rb") as source, target.open("xb") as file:
            while piece := source.read(piece_size):
                if piece.count(0) == len(piece):
                    file.seek(len(piece), 1)
                else:
                    file.write(piece)
            file.truncate(source.tell())
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be copied to {target.parent}: {error.strerror}",
            hint="is there room, and is it yours to read?",
        ) from error
