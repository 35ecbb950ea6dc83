# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at a disk image of others before anybody starts it: what it claims, and nothing beside.

An image may name other files (a backing file, an external data file), which whoever opens it reads
along. So its own header is looked at first, and qemu-img opens only what names none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from builder.disk import qcow2
from builder.downloads.pieces import WrongContent
from builder.errors import InfrastructureError
from builder.manifest.model import Verdict
from builder.run import Completed, needs, run

# Seconds: a file that keeps qemu-img busy for longer is not worth it.
LONGEST: Final = 600.0
XZ: Final = b"\xfd7zXZ\x00"
# How the files of a format begin; formats that are not here begin with anything.
MAGIC: Final[Mapping[str, bytes]] = {
    "qcow2": qcow2.MAGIC,
    "qcow2-zlib": qcow2.MAGIC,
    "raw.xz": XZ,
    "raw.tar.xz": XZ,
    "rootfs.tar.xz": XZ,
    "vmdk": b"KDMV",
    "vhdx": b"vhdxfile",
}
# What qemu-img calls the formats that are disks.
DISKS: Final[Mapping[str, str]] = {
    "qcow2": "qcow2",
    "qcow2-zlib": "qcow2",
    "raw": "raw",
    "vmdk": "vmdk",
    "vhdx": "vhdx",
}
CHECKED: Final = ("qcow2", "vmdk", "vhdx")
# What a server sends in place of a file.
PAGES: Final = (b"<!doctype", b"<html", b"<?xml", b"{")
# Exit codes of `qemu-img check`: clusters that nobody uses are no damage.
LEAKS, UNSUPPORTED = 3, 63
# How files end, the longest first.
ENDS: Final[Mapping[str, str]] = {
    ".rootfs.tar.xz": "rootfs.tar.xz",
    "-root.tar.xz": "rootfs.tar.xz",
    ".raw.tar.xz": "raw.tar.xz",
    ".zlib.qcow2": "qcow2-zlib",
    ".raw.xz": "raw.xz",
    ".img.xz": "raw.xz",
    ".qcow2": "qcow2",
    ".vmdk": "vmdk",
    ".vhdx": "vhdx",
    ".raw": "raw",
    # Ubuntu's and CirrOS' are that; a raw one is refused when it comes.
    ".img": "qcow2",
}


@dataclass(frozen=True)
class Inspected:
    """What a disk was found to be; `virtual_size` is in bytes, None for what is no disk."""

    virtual_size: int | None
    verdicts: tuple[Verdict, ...]


def format_of(name: str) -> str:
    """The format that a file's name tells; empty where it tells none."""
    return next((form for end, form in ENDS.items() if name.lower().endswith(end)), "")


def looks(form: str) -> Callable[[bytes], str]:
    """What tells from the first bytes why a file is not of a format; it says nothing if it is."""

    def wrong(head: bytes) -> str:
        if head.lstrip().lower().startswith(PAGES):
            return "is a document, and no image"
        if not head.startswith(MAGIC.get(form, b"")):
            return f"is no {form}: it begins in another way"
        if form == "raw" and head.startswith(tuple(MAGIC.values())):
            # Who asks qemu what it is would be told something else than we were.
            return "is no raw disk: it begins as another format does"
        return ""

    return wrong


def inspect(path: Path, form: str) -> Inspected:
    """Look at an image that is whole; WrongContent says what is wrong with it."""
    known = DISKS.get(form)
    if known is None:
        return Inspected(None, ())
    with path.open("rb") as file:
        head = file.read(128)
    wrong = looks(form)(head)
    if wrong:
        raise _bad(path, wrong)
    if known == "qcow2" and (wrong := qcow2.flaw(head)):
        raise _bad(path, wrong)
    told = _info(path, known)
    size = told.get("virtual-size")
    if told.get("format") != known or not isinstance(size, int) or size <= 0:
        raise _bad(path, f"is no {known} image")
    if any(key.startswith(("backing-file", "full-backing")) for key in told):
        raise _bad(path, "names a backing file, so it is only a part of an image")
    details = told.get("format-specific") or {}
    _check_details(path, details.get("data") or {})
    sentence = f"{known}, {size} bytes for a guest, and no other file behind it"
    if known not in CHECKED:
        return Inspected(size, (Verdict(name="qemu-img", verdict="passed", detail=sentence),))
    done = _check(path, known)
    if done.returncode not in (0, LEAKS, UNSUPPORTED):
        raise _bad(path, "is damaged, as qemu-img check says")
    return Inspected(size, (Verdict(name="qemu-img", verdict="passed", detail=sentence),))


def _check_details(path: Path, details: Mapping[str, Any]) -> None:
    if details.get("data-file"):
        raise _bad(path, "names an external data file, so it is only a part of an image")
    others = [each.get("filename") for each in details.get("extents") or ()]
    if any(name != str(path.absolute()) for name in others):
        raise _bad(path, "names other files, so it is only a part of an image")
    if details.get("encrypt"):
        raise _bad(path, "is encrypted")


def _info(path: Path, form: str) -> dict[str, Any]:
    done = _qemu_img("info", path, form)
    if done.returncode != 0:
        raise _bad(path, f"is no {form} image that qemu-img can read")
    try:
        told = json.loads(done.output)
    except ValueError as error:
        raise InfrastructureError(f"qemu-img says nothing of {path}") from error
    return told if isinstance(told, dict) else {}


def _check(path: Path, form: str) -> Completed:
    return _qemu_img("check", path, form)


@needs("qemu-img", package="qemu-utils", purpose="look at images of others")
def _qemu_img(verb: str, path: Path, form: str) -> Completed:
    # Named, and never guessed: a raw disk can begin as any other format does.
    argv = ["qemu-img", verb, "-f", form, "--output=json", str(path.absolute())]
    return run(argv, timeout=LONGEST, capture=True, check=False)


def _bad(path: Path, words: str) -> WrongContent:
    return WrongContent(f"{path.name} {words}", hint="ask who publishes it; it was not taken in")
