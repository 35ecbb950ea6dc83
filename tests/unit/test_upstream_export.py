# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue for openstack-image-manager, against the schema that its makers publish."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yamale
import yaml

from builder.manifest.imported import Document, Imported, Origin
from builder.manifest.model import File
from builder.store.index import Build, SeriesEntry
from builder.upstream import osism
from tests.unit import indexes, worlds

SCHEMA = Path(__file__).parents[1] / "recorded" / "osism" / "schema.yaml"
BASE = "https://images.example.org"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
SCS = {
    "os_distro": "almalinux",
    "os_version": "10.2",
    "architecture": "x86_64",
    "os_purpose": "generic",
    "min_disk": "10",
    "min_ram": "1024",
    "hw_disk_bus": "virtio",
    "image_original_user": "almalinux",
    "image_build_date": "2026-05-26",
    "image_source": "https://images.invalid/AlmaLinux-10.qcow2",
    "image_description": "AlmaLinux 10",
    "replace_frequency": "quarterly",
    "uuid_validity": "last-3",
    "provided_until": "2035-05-31",
}


def imported(name: str, serial: str, properties: Mapping[str, str]) -> Imported:
    distro, release = name.split("-")[:2]
    return Imported(
        name=name,
        serial=serial,
        title=name,
        distro=distro,
        release=release,
        arch="arm64" if name.endswith("arm64") else "amd64",
        origin=Origin(
            url="https://images.invalid/it.qcow2", retrieved=NOW, date=NOW, vouched="nobody"
        ),
        properties=properties,
        virtual_size=11 << 30,
        files=(
            File(
                name=f"{name}-{serial}.qcow2",
                format="qcow2",
                size=indexes.SIZE,
                sha256="0" * 64,
                sha512="0" * 128,
                reproducible=False,
            ),
        ),
    )


def made(*series: SeriesEntry, channels: tuple[str, ...] = ("upstream", "release"), **more: str):  # type: ignore[no-untyped-def]
    def described(name: str, build: Build) -> Document:
        if build.channel == "upstream":
            return imported(name, build.serial, {**SCS, **more})
        built = worlds.manifest((), NOW, ())
        roles = tuple(name.split("-")[2:])
        return built.model_copy(update={"name": name, "serial": build.serial, "roles": roles})

    return osism.catalogue(series, described, BASE, channels)


def one(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    assert len(found["images"]) == 1
    return found["images"][0]  # type: ignore[no-any-return]


def valid(text: str) -> None:
    """As `yamale -s schema.yaml` does, which is strict about unknown words."""
    yamale.validate(yamale.make_schema(SCHEMA), yamale.make_data(content=text))


ALMA = indexes.series("alma-10", "upstream 20260326", "upstream 20260526", "upstream 20260526.1")


def test_the_catalogue_is_valid_by_its_readers_schema() -> None:
    found = made(ALMA, indexes.series("debian-13", "release 20261101"))
    valid(found.text)
    assert [each.name for each in found.entries] == ["alma-10", "debian-13"]
    assert not found.left_out


def test_each_build_is_a_version_by_its_serial_with_url_and_digest() -> None:
    image = one(made(ALMA).text)
    assert [each["version"] for each in image["versions"]] == [
        "20260326",
        "20260526",
        "20260526.1",
    ]
    newest = image["versions"][-1]
    assert newest["url"] == f"{BASE}/alma-10/upstream/20260526.1/alma-10-20260526.1.qcow2"
    assert newest["checksum"] == f"sha256:{ALMA.builds[-1].images[0].sha256}"
    assert f"{newest['build_date']}" == "2026-05-26"
    assert newest["source"] == SCS["image_source"]


def test_what_is_known_of_an_image_is_told() -> None:
    image = one(made(ALMA).text)
    assert (image["login"], image["min_ram"], image["multi"]) == ("almalinux", 1024, True)
    # The disk's own size is more than what its makers ask for.
    assert image["min_disk"] == 11
    meta = image["meta"]
    assert (meta["os_version"], meta["architecture"]) == ("10.2", "x86_64")
    assert (meta["uuid_validity"], f"{meta['provided_until']}") == ("last-3", "2035-05-31")


@pytest.mark.parametrize(("ours", "theirs"), [("almalinux", "centos"), ("sles", "sled")])
def test_a_distribution_without_a_word_has_the_nearest_one(ours: str, theirs: str) -> None:
    found = made(ALMA, os_distro=ours)
    valid(found.text)
    assert one(found.text)["meta"]["os_distro"] == theirs


def test_what_no_word_fits_is_left_out_and_said() -> None:
    found = made(ALMA, indexes.series("debian-13", "release 20261101"), os_distro="alpine")
    assert found.left_out == {"alma-10": "the schema has no word for os_distro: alpine"}
    assert [each.name for each in found.entries] == ["debian-13"]


@pytest.mark.parametrize("bus", ["sata", "ide"])
def test_a_bus_without_a_word_is_left_to_the_cloud(bus: str) -> None:
    found = made(ALMA, hw_disk_bus=bus)
    valid(found.text)
    assert one(found.text)["meta"]["hw_disk_bus"] is None


def test_hidden_and_daily_builds_are_not_listed() -> None:
    found = made(
        indexes.series("alma-10", "upstream 20260326 hidden", "upstream 20260526"),
        indexes.series("debian-13", "daily 20261101"),
        indexes.series("debian-12", "release 20261101 removed"),
    )
    assert [each["version"] for each in one(found.text)["versions"]] == ["20260526"]


def test_a_role_is_not_generic() -> None:
    """One public image of a release at most may be generic (SCS-0102)."""
    role = made(indexes.series("debian-13-hypervisor", "release 20261101"))
    plain = made(indexes.series("debian-13", "release 20261101"))
    assert one(plain.text)["meta"]["os_purpose"] == "generic"
    assert one(role.text)["meta"]["os_purpose"] == "custom"


def test_a_property_that_is_nonsense_leaves_the_image_out() -> None:
    found = made(ALMA, replace_frequency="sometimes")
    assert not found.entries
    assert "replace_frequency" in found.left_out["alma-10"]


def test_the_schema_itself_refuses_what_we_would_leave_out() -> None:
    text = made(ALMA).text.replace("os_distro: centos", "os_distro: almalinux")
    with pytest.raises(yamale.YamaleError):
        valid(text)
