# SPDX-License-Identifier: GPL-2.0-or-later
"""What targets decide: what OpenStack is told, who uses a volume, what a list says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.facility.targets.glanceapi import _wait
from builder.facility.targets.glanceproperties import describe
from builder.facility.targets.poolusers import based_on, chains, disks
from builder.facility.targets.serieslist import SIZE, Row, SeriesList
from builder.facility.targets.target import Item
from builder.manifest.imported import Imported, Origin
from builder.manifest.model import Verdict
from tests.published import manifest, package

GIB = 1 << 30
WHEN = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def image(tmp_path: Path, *, size: int = 3 * GIB, secure: bool = False, **fields: Any) -> Item:
    path = tmp_path / "a.qcow2"
    path.write_bytes(b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + size.to_bytes(8, "big"))
    return Item(path, "qcow2", 32, "0" * 64, manifest(**fields), "release", secure)


def imported(tmp_path: Path, **fields: Any) -> Item:
    origin = Origin(url="https://example.org/a.qcow2", retrieved=WHEN, vouched="TLS alone")
    values = {
        "name": "alpine-322",
        "serial": "20261121",
        "title": "Alpine Linux 3.22",
        "distro": "alpine",
        "release": "3.22",
        "arch": "arm64",
        "origin": origin,
        "files": (),
    }
    return Item(
        image(tmp_path).path, "qcow2", 32, "0" * 64, Imported.model_validate(values | fields), "x"
    )


def boots(*names: str, verdict: str = "passed") -> tuple[Verdict, ...]:
    return tuple(Verdict.model_validate({"name": name, "verdict": verdict}) for name in names)


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({}, "architecture", "x86_64"),
        ({"arch": "arm64"}, "architecture", "aarch64"),
        ({"arch": "riscv64"}, "architecture", "riscv64"),
        ({"distro": "ubuntu", "release": "2404"}, "os_distro", "ubuntu"),
        ({"distro": "ubuntu", "release": "2404"}, "os_version", "24.04"),
        ({}, "os_type", "linux"),
        ({"boots": boots("bios", "uefi")}, "hw_firmware_type", "uefi"),
        ({"boots": boots("bios")}, "hw_firmware_type", "bios"),
        ({"boots": boots("secureboot")}, "hw_firmware_type", "uefi"),
        ({"boots": boots("uefi", verdict="failed")}, "hw_firmware_type", None),
        ({"boots": ()}, "hw_firmware_type", None),
        ({"boots": (), "arch": "arm64"}, "hw_firmware_type", "uefi"),
        ({}, "os_secure_boot", None),
        ({"secure": True, "boots": ()}, "os_secure_boot", "optional"),
        ({"secure": True, "boots": ()}, "hw_firmware_type", "uefi"),
        ({"secure": True}, "hw_machine_type", "q35"),
        ({}, "hw_disk_bus", "virtio"),
        ({}, "hw_qemu_guest_agent", None),
        (
            {"packages": (package("qemu-guest-agent", "1", "amd64", "qemu", "1"),)},
            "hw_qemu_guest_agent",
            "yes",
        ),
        ({}, "image_original_user", "debian"),
        ({"packages": ()}, "image_original_user", "none"),
        ({}, "image_build_date", "2026-11-21"),
        ({}, "image_source", "private"),
        ({}, "uuid_validity", "last-2"),
        ({}, "image_description", "Debian 13 (trixie) (20261121)"),
    ],
)
def test_what_openstack_is_told(
    tmp_path: Path, fields: dict[str, Any], name: str, value: str | None
) -> None:
    assert describe(image(tmp_path, **fields), 2, {}).properties.get(name) == value


@pytest.mark.parametrize(
    ("size", "least"), [(3 * GIB, 3), (3 * GIB + 1, 4), (1, 1), (2252 << 20, 3)]
)
def test_a_disk_that_is_large_enough(tmp_path: Path, size: int, least: int) -> None:
    assert describe(image(tmp_path, size=size), 2, {}).min_disk == least


def test_what_is_given_goes_before_what_is_known(tmp_path: Path) -> None:
    given = {
        "hw_firmware_type": "bios",
        "min_ram": "1024",
        "hw_rng_model": "",
        "os_admin_user": "me",
    }
    found = describe(image(tmp_path), 2, given)
    assert found.min_ram == 1024
    assert found.properties["hw_firmware_type"] == "bios"
    assert found.properties["os_admin_user"] == "me"
    assert "hw_rng_model" not in found.properties


@pytest.mark.parametrize(
    "name", ["name", "os_hidden", "fai_forge_sha256", "os_glance_x", "os_hash_value", "owner"]
)
def test_what_nobody_sets_by_hand(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        describe(image(tmp_path), 2, {name: "x"})
    with pytest.raises(UsageError, match=name):
        describe(imported(tmp_path, properties={name: "x"}), 2, {})


@pytest.mark.parametrize("text", ["much", "-1", "1.5"])
def test_a_number_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="min_ram"):
        describe(image(tmp_path), 2, {"min_ram": text})


def test_an_image_of_others(tmp_path: Path) -> None:
    found = describe(imported(tmp_path, properties={"min_disk": "8"}), 0, {"os_version": "3"})
    assert found.min_disk == 8
    expected = {
        "os_distro": "alpine",
        "os_version": "3",
        "architecture": "aarch64",
        "hw_firmware_type": "uefi",
        "image_source": "https://example.org/a.qcow2",
        "image_original_user": "none",
        "image_build_date": "2026-11-21",
        "uuid_validity": "none",
    }
    assert {name: found.properties[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("said", "keep", "told"),
    [("last-5", 2, "last-2"), ("last-5", 0, "none"), ("notice", 2, "notice")],
)
def test_how_many_stay_is_the_targets_matter(
    tmp_path: Path, said: str, keep: int, told: str
) -> None:
    """A store keeps another number of them, and its promise is not the target's."""
    item = imported(tmp_path, properties={"uuid_validity": said})
    assert describe(item, keep, {}).properties["uuid_validity"] == told
    given = {"uuid_validity": "last-9"}
    assert describe(item, keep, given).properties["uuid_validity"] == "last-9"


@pytest.mark.parametrize(
    ("asked", "seconds"), [("7", 7.0), (None, 4.0), ("soon", 4.0), ("86400", 120.0), ("0", 0.0)]
)
def test_how_long_to_wait(asked: str | None, seconds: float) -> None:
    assert _wait(asked, 2) == seconds


def test_a_list_is_what_was_written() -> None:
    rows = (
        Row("good", "a" * 64, "20261120", "debian-13-20261120.qcow2"),
        Row("sent", "b" * 64, "20261121.10", "debian-13-20261121.10.qcow2"),
    )
    known = SeriesList(rows[0].volume, rows)
    content = known.text()
    assert len(content) == SIZE
    assert content.startswith(b"debian-13-20261120.qcow2\n")
    assert SeriesList.read(content, "there") == known
    assert SeriesList.read(SeriesList().text(), "there") == SeriesList()
    assert known.with_(Row("good", *_rest(rows[1])), current=True).current == rows[1].volume
    assert known.without(rows[1].volume).rows == rows[:1]


def _rest(row: Row) -> tuple[str, str, str]:
    return row.sha256, row.serial, row.volume


@pytest.mark.parametrize(
    "content", [b"", b"\0" * SIZE, b"hello\n", b"a\n# other\n", bytes(range(256))]
)
def test_a_list_that_is_not_ours(content: bytes) -> None:
    with pytest.raises(UsageError, match="there was there before"):
        SeriesList.read(content, "there")


def test_a_list_with_a_line_that_is_none() -> None:
    content = SeriesList().text().rstrip() + b"\ngood ../../etc/passwd\n"
    with pytest.raises(UsageError):
        SeriesList.read(content, "there")


def test_a_list_that_is_too_long() -> None:
    rows = tuple(Row("good", "a" * 64, "20261120", f"debian-13-{n}.qcow2") for n in range(60))
    with pytest.raises(InfrastructureError, match="too many"):
        SeriesList("", rows).text()


DOMAIN = """\
<domain><devices>
  <disk device='disk'><driver name='qemu' type='qcow2'/><source file='/a/top'/>
    <backingStore type='file'><format type='qcow2'/><source file='/a/base'/><backingStore/>
    </backingStore></disk>
  <disk device='disk'><driver type='raw'/><source dev='/dev/vg/data'/></disk>
  <disk><driver type='qcow2'/><source pool='default' volume='b'/></disk>
  <disk device='cdrom'><driver type='raw'/><source file='/a/cd.iso'/></disk>
  <disk device='disk'><driver type='raw'/></disk>
</devices></domain>
"""


def test_the_disks_of_a_domain() -> None:
    found = dict(disks(DOMAIN, lambda pool, volume: f"/{pool}/{volume}"))
    assert found == {"/a/top": True, "/a/base": True, "/dev/vg/data": True, "/default/b": False}


@pytest.mark.parametrize(
    "below", ["", "<backingStore><source file='/a/base'/></backingStore>"], ids=["none", "a part"]
)
def test_a_disk_of_which_not_all_is_told(below: str) -> None:
    text = f"<domain><disk><driver type='qcow2'/><source file='/a/top'/>{below}</disk></domain>"
    assert dict(disks(text, lambda *_: ""))["/a/top"] is False


def test_the_disks_of_a_snapshot() -> None:
    text = (
        "<domainsnapshot><disks><disk name='vda' snapshot='external'><driver type='qcow2'/>"
        "<source file='/a/snap'/></disk></disks><domain><devices><disk><source file='/a/before'/>"
        "</disk></devices></domain></domainsnapshot>"
    )
    assert set(dict(disks(text, lambda *_: ""))) == {"/a/snap", "/a/before"}


def test_what_a_volume_was_made_from() -> None:
    text = "<volume><target/><backingStore><path>/a/base</path></backingStore></volume>"
    assert based_on(text) == "/a/base"
    assert based_on("<volume><target/></volume>") is None


@pytest.mark.parametrize(
    ("domains", "backing", "used", "unknown"),
    [
        ({}, {"/p/a": None}, set(), ()),
        ({}, {"/p/a": None, "/p/o": "/p/a"}, {"/p/a"}, ()),
        ({"/p/a": False}, {"/p/a": None}, {"/p/a"}, ()),
        ({"/p/o": False}, {"/p/o": "/p/m", "/p/m": "/p/a"}, {"/p/o", "/p/m", "/p/a"}, ("/p/a",)),
        ({"/p/o": False}, {"/p/o": "/p/a", "/p/a": None}, {"/p/o", "/p/a"}, ()),
        # In no pool: it may stand on anything.
        ({"/x/o": False}, {"/p/a": None}, {"/x/o"}, ("/x/o",)),
        ({"/x/raw": True}, {"/p/a": None}, {"/x/raw"}, ()),
        ({}, {"/p/o": "/x/m", "/p/a": None}, {"/x/m"}, ("/x/m",)),
    ],
)  # fmt: skip
def test_who_uses_what(
    domains: dict[str, bool],
    backing: dict[str, str | None],
    used: set[str],
    unknown: tuple[str, ...],
) -> None:
    found = chains(domains, backing)
    assert found.paths == used
    assert found.unknown == unknown
    assert found.uses("/p/a") == ("/p/a" in used or bool(unknown))
