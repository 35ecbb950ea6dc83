# SPDX-License-Identifier: GPL-2.0-or-later
"""Partitions of every architecture, and the script that sfdisk gets."""

from __future__ import annotations

import pytest

from builder.disk.layout import ALIGN, MIB, SECTOR, Role, layout, sfdisk_script
from builder.errors import UsageError
from builder.models import ARCHES, BuildId, DiskIds

IDS = DiskIds.of(BuildId("debian-13", "20261120", 1_700_000_000))


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("mib", [256, 2048, 2049, 1 << 20])
def test_partitions_are_aligned_adjacent_and_inside(arch: str, mib: int) -> None:
    disk = layout(arch, mib * MIB)
    end = ALIGN
    for part in disk.partitions:
        assert part.start == end
        assert part.start % ALIGN == 0
        assert part.size % ALIGN == 0
        end = part.start + part.size
    # Room for the backup partition table, and nothing lost.
    assert end * SECTOR == mib * MIB - MIB


@pytest.mark.parametrize("arch", ARCHES)
def test_the_root_is_number_1_and_last_so_that_it_can_grow(arch: str) -> None:
    disk = layout(arch, 2048 * MIB)
    assert disk.root.role is Role.ROOT
    assert disk.root.number == 1
    assert disk.find(Role.ROOT) is disk.partitions[-1]


@pytest.mark.parametrize(
    ("arch", "roles"),
    [
        ("amd64", ["bios", "esp", "root"]),
        ("arm64", ["esp", "root"]),
        ("ppc64el", ["prep", "root"]),
        ("riscv64", ["esp", "root"]),
    ],
)
def test_each_architecture_has_what_its_firmware_reads(arch: str, roles: list[str]) -> None:
    assert [part.role for part in layout(arch, 2048 * MIB).partitions] == roles


def test_root_types_differ_by_architecture() -> None:
    assert len({layout(arch, 2048 * MIB).root.type_id for arch in ARCHES}) == len(ARCHES)


def test_amd64_has_the_numbers_of_debians_cloud_images() -> None:
    parts = layout("amd64", 2048 * MIB).partitions
    assert [part.number for part in parts] == [14, 15, 1]
    assert [part.start for part in parts] == [2048, 8192, 262144]


@pytest.mark.parametrize("arch", ARCHES)
def test_a_disk_too_small_says_what_is_enough(arch: str) -> None:
    with pytest.raises(UsageError, match="too small") as caught:
        layout(arch, 64 * MIB)
    least = int(caught.value.hint.split(" to ")[1].split()[0])
    layout(arch, least * MIB)
    with pytest.raises(UsageError):
        layout(arch, (least - 1) * MIB)


def test_a_size_between_two_mib_is_refused() -> None:
    with pytest.raises(UsageError, match="whole number of MiB"):
        layout("amd64", 2048 * MIB + 512)


def test_the_script_names_every_identifier() -> None:
    assert sfdisk_script(layout("amd64", 1024 * MIB), IDS).splitlines() == [
        "label: gpt",
        f"label-id: {IDS.disk}",
        "unit: sectors",
        "sector-size: 512",
        "table-length: 128",
        "p14 : start=2048, size=6144, "
        f"type=21686148-6449-6e6f-744e-656564454649, uuid={IDS.bios_part}",
        "p15 : start=8192, size=253952, "
        f"type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, uuid={IDS.esp_part}",
        "p1 : start=262144, size=1832960, "
        f"type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709, uuid={IDS.root_part}",
    ]
