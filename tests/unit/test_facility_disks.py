# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images of unknown makers: what their first bytes say, before any program opens them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from builder.disk import qcow2
from builder.errors import CheckError, ForgeError, UsageError
from builder.facility import disks


def header(*, version: int = 3, backing: int = 0, crypt: int = 0, flags: int = 0) -> bytes:
    """A header as docs/interop/qcow2.txt of QEMU describes it."""
    start = qcow2.HEADER.pack(
        qcow2.MAGIC, version, backing, 0, 16, 1 << 30, crypt, 1, 0x30000, 0x10000, 1, 0, 0
    )
    return start + (struct.pack(">QQQII", flags, 0, 0, 4, 104) if version == 3 else b"")


def image(tmp_path: Path, content: bytes, name: str = "image") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_whole_qcow2_is_taken(tmp_path: Path) -> None:
    for version in (2, 3):
        disks.check_header(image(tmp_path, header(version=version)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header(backing=104), "names a backing file"),
        (header(version=2, backing=72), "names a backing file"),
        (header(flags=qcow2.EXTERNAL), "names an external data file"),
        (header(flags=qcow2.EXTERNAL | qcow2.DIRTY), "names an external data file"),
        (header(crypt=2), "is encrypted"),
        (header(flags=qcow2.CORRUPT), "is marked as corrupt"),
        (header(flags=qcow2.DIRTY), "was not closed"),
        (header(version=4), "of version 4"),
        (header()[:76], "is no qcow2"),
        (header()[:40], "is no qcow2"),
        (b"x" * 512, "is no qcow2"),
    ],
)
def test_what_is_not_one_whole_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CheckError) as caught:
        disks.check_header(image(tmp_path, content))
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "said", "found"),
    [
        ("a.qcow2", header(), None, "qcow2"),
        ("a.img", header(), None, "qcow2"),
        ("a.img", b"\0" * 512, None, "raw"),
        ("a.raw", b"\0" * 512, None, "raw"),
        ("a.RAW", b"\0" * 512, None, "raw"),
        ("a.raw", header(), "raw", "raw"),
        ("a.raw", header(), "qcow2", "qcow2"),
        ("a.img", b"\xfd7zXZ\0", "raw", "raw"),
    ],
)
def test_formats(tmp_path: Path, name: str, content: bytes, said: str | None, found: str) -> None:
    assert disks.format_of(image(tmp_path, content, name), said) == found


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        # Who used a raw disk can have written that header, with a backing file of this machine.
        ("a.raw", header(), None),
        ("a.qcow2", b"\0" * 512, None),
        ("a.raw", b"\0" * 512, "qcow2"),
        ("a.vmdk", b"KDMV" + b"\0" * 512, None),
        ("a.img", b"vhdxfile" + b"\0" * 512, None),
        ("a.raw", b"\x1f\x8b" + b"\0" * 512, None),
        ("a.qcow2", b"\x28\xb5\x2f\xfd" + b"\0" * 512, None),
    ],
)
def test_formats_that_are_refused(
    tmp_path: Path, name: str, content: bytes, said: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        disks.format_of(image(tmp_path, content, name), said)
    assert "--format" in caught.value.hint or "qemu-img convert" in caught.value.hint


def test_a_copy_has_the_same_bytes_and_holes(tmp_path: Path) -> None:
    content = b"a" * 10 + b"\0" * (5 << 20) + b"b" * 10 + b"\0" * (2 << 20)
    target = tmp_path / "copy"
    disks.copy(image(tmp_path, content), target)
    assert target.read_bytes() == content
    assert target.stat().st_blocks * 512 < len(content)


def test_a_copy_replaces_nothing(tmp_path: Path) -> None:
    there = image(tmp_path, b"there", "target")
    with pytest.raises(ForgeError):
        disks.copy(image(tmp_path, b"new"), there)
    assert there.read_bytes() == b"there"
