# SPDX-License-Identifier: GPL-2.0-or-later
"""Random identifiers in vmdk and vhdx files, without the program that writes them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from builder.disk.patches import crc32c, set_vhdx_ids, set_vmdk_ids
from builder.errors import BuildError

DISK = uuid.UUID("01234567-89ab-5def-8123-456789abcdef")


# The check value that all catalogues of CRCs give, and two vectors of RFC 3720, B.4.
@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
    ],
)
def test_the_checksum_is_castagnolis(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def vmdk(tmp_path: Path, descriptor: bytes) -> Path:
    path = tmp_path / "disk.vmdk"
    path.write_bytes(b"KDMV".ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0") + b"rest")
    return path


DESCRIPTOR = b'version=1\nCID=%s\nparentCID=ffffffff\nRW 4096 SPARSE "%s"\ncreateType="x"\n'


def test_the_content_id_and_the_name_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = vmdk(tmp_path, DESCRIPTOR % (b"9f8e7d6c", b"name.vmdk"))
    before = path.read_bytes()
    set_vmdk_ids(path, DISK)
    expected = before.replace(b"CID=9f8e7d6c", b"CID=89abcdef").replace(b"name.vmdk", b"disk.vmdk")
    assert path.read_bytes() == expected


def test_a_longer_content_id_or_name_gives_the_same_file(tmp_path: Path) -> None:
    made = []
    for cid, name in ((b"9f8e7d6c", b"name.vmdk"), (b"1d6c", b".a-longer-name.vmdk.partial")):
        path = vmdk(tmp_path, DESCRIPTOR % (cid, name))
        set_vmdk_ids(path, DISK)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    assert made[0].endswith(b"rest")


def test_a_vmdk_without_a_descriptor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="content id"):
        set_vmdk_ids(vmdk(tmp_path, b"parentCID=ffffffff\n"), DISK)


def test_a_vhdx_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(BuildError, match="vhdx"):
        set_vhdx_ids(path, DISK, DISK)
