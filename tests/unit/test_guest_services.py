# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest is given on the host's loopback, and what its disk tells when it has ended."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

from debian.deb822 import Deb822

from builder.guest import archive, loopback, starting
from builder.guest.filesystem import Ext4State, ext4_state

CONTROL = """\
Package: linux-image-amd64
Version: 6.12.48-1
Depends: linux-image-6.12.48+deb13-amd64 (= 6.12.48-1), linux-base (>= 6.12.48-1)
Recommends: firmware (= 6.12.48-1)
Description: the kernel
 for most machines
"""


def query(name: str, kind: int) -> bytes:
    """A DNS query of one question."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return (
        b"\x12\x34\x01\x00"
        + struct.pack("!HHHH", 1, 0, 0, 0)
        + labels
        + struct.pack("!BHH", 0, kind, 1)
    )


def answers(packet: bytes) -> int:
    return int(struct.unpack_from("!H", packet, 6)[0])


def test_the_known_name_has_both_addresses() -> None:
    for text, kind in zip(loopback.ADDRESSES, (1, 28), strict=True):
        asked = query(loopback.NAME.upper(), kind)
        told = loopback.dns_answer(asked)
        assert told[:2] == b"\x12\x34"
        assert told[2:4] == b"\x85\x00"
        assert answers(told) == 1
        assert told.endswith(ip_address(text).packed)
        assert asked[12:] in told


def test_the_known_name_has_nothing_else() -> None:
    told = loopback.dns_answer(query(loopback.NAME, 15))
    assert (told[3], answers(told)) == (0, 0)


def test_no_other_name_is_known() -> None:
    told = loopback.dns_answer(query(f"other.{loopback.NAME}", 1))
    assert (told[3], answers(told)) == (3, 0)


def test_packages_that_are_raised_together_go_together() -> None:
    """Only what is raised too is wanted in its higher version."""
    versions = {"linux-image-amd64": "6.12.48-1", "linux-image-6.12.48+deb13-amd64": "6.12.48-1"}
    fields = Deb822(archive.raised(CONTROL, versions))
    assert fields["Version"] == "6.12.48-1+probe1"
    assert fields["Depends"] == (
        "linux-image-6.12.48+deb13-amd64 (= 6.12.48-1+probe1), linux-base (>= 6.12.48-1)"
    )
    assert fields["Recommends"] == "firmware (= 6.12.48-1)"
    assert fields["Description"] == Deb822(CONTROL)["Description"]


def test_each_key_has_settings_of_its_own(tmp_path: Path) -> None:
    keys = {name: tmp_path / name for name in (archive.OWN, archive.STRANGER)}
    for name, path in keys.items():
        path.write_bytes(name.encode())
    files = archive.LocalArchive("http://10.0.2.2:8000", keys, {}).files()
    assert files["/etc/fai-forge-probe/own.pgp"] == b"own"
    assert (
        b"Signed-By: /etc/fai-forge-probe/stranger.pgp"
        in (files["/etc/fai-forge-probe/stranger.sources"])
    )
    assert b"/etc/fai-forge-probe/own.sources" in files["/etc/fai-forge-probe/own.conf"]


def superblock(magic: int, state: int, incompatible: int) -> bytes:
    block = bytearray(1024)
    struct.pack_into("<HH", block, 0x38, magic, state)
    struct.pack_into("<I", block, 0x60, incompatible)
    return bytes(block)


def test_a_superblock_tells_how_it_ended() -> None:
    assert ext4_state(superblock(0xEF53, 1, 0x2C2)) == Ext4State(clean=True, replay=False)
    assert ext4_state(superblock(0xEF53, 1, 0x2C6)) == Ext4State(clean=True, replay=True)
    assert ext4_state(superblock(0xEF53, 3, 0x2C2)) == Ext4State(clean=False, replay=False)
    assert ext4_state(superblock(0xEF53, 0, 0x2C2)) == Ext4State(clean=False, replay=False)
    assert ext4_state(superblock(0x5846, 1, 0)) is None


def test_the_slowest_unit_comes_first() -> None:
    """What never got ready is left out, and what was there before the journal."""
    rows = [
        (starting.STARTING, "a.service", 1_000_000),
        (starting.STARTING, "b.service", 2_000_000),
        (starting.STARTED, "a.service", 2_500_000),
        (starting.STARTED, "b.service", 12_000_000),
        (starting.STARTED, "a.service", 99_000_000),
        (starting.STARTING, "hangs.service", 3_000_000),
        (starting.STARTED, "early.target", 3_000_000),
    ]
    told = "\n".join(
        f'{{"MESSAGE_ID":"{message}","UNIT":"{unit}","__MONOTONIC_TIMESTAMP":"{time}"}}'
        for message, unit, time in rows
    )
    assert starting.slowest(told) == [
        starting.Started("b.service", 10.0),
        starting.Started("a.service", 1.5),
    ]
