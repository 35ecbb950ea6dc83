# SPDX-License-Identifier: GPL-2.0-or-later
"""simplestreams: what the daemons need is there, in the form in which they read it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.errors import UsageError
from builder.store import incus_metadata, simplestreams
from builder.store.index import Build, SeriesEntry, StoreIndex
from tests import published

END = date(2028, 8, 9)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return published.publish(tmp_path)


def documents(index: StoreIndex, end: date | None = END) -> tuple[dict[str, Any], dict[str, Any]]:
    """index.json and images.json."""
    files = dict(simplestreams.streams(index, ends=lambda _: end))
    return json.loads(files["streams/v1/index.json"]), json.loads(files["streams/v1/images.json"])


def products(*series: SeriesEntry, end: date | None = END) -> dict[str, Any]:
    _, images = documents(published.index(*series), end)
    found: dict[str, Any] = images["products"]
    return found


@pytest.mark.parametrize(
    ("serial", "key"),
    [
        ("20261120", "20261120"),
        ("20261120.1", "20261120.0001"),
        ("20261120.9999", "20261120.9999"),
    ],
)
def test_version_keys(serial: str, key: str) -> None:
    assert simplestreams.version_key(serial) == key


def test_version_keys_sort_as_bytes() -> None:
    serials = ["20261119.12", "20261120", "20261120.1", "20261120.9", "20261120.10", "20261121"]
    keys = [simplestreams.version_key(serial).encode() for serial in serials]
    assert keys == sorted(keys)


def test_version_key_of_no_serial() -> None:
    with pytest.raises(UsageError):
        simplestreams.version_key("latest")


def test_index_points_to_the_images(build: Build) -> None:
    stream, images = documents(published.index(published.series(build)))
    entry = stream["index"]["images"]
    assert stream["format"] == "index:1.0"
    assert entry["path"] == "streams/v1/images.json"
    assert entry["datatype"] == images["datatype"] == "image-downloads"
    assert entry["products"] == list(images["products"]) == ["debian:13:default:amd64"]
    assert stream["updated"] == "Sat, 21 Nov 2026 04:00:00 +0000"


def test_what_is_pointed_to_is_written_first(build: Build) -> None:
    index = published.index(published.series(build))
    paths = [path for path, _ in simplestreams.streams(index)]
    assert paths == ["streams/v1/images.json", "streams/v1/index.json"]


def test_product(build: Build) -> None:
    product = products(published.series(build))["debian:13:default:amd64"]
    versions = product.pop("versions")
    assert product == {
        "aliases": "debian-13,debian/trixie/default,debian/trixie,debian/13/default,debian/13",
        "arch": "amd64",
        "os": "Debian",
        "release": "trixie",
        "release_codename": "trixie",
        "release_title": "13 (trixie)",
        "version": "13",
        "variant": "default",
        "supported": True,
        "support_eol": "2028-08-09",
    }
    assert list(versions) == ["20261121"]
    assert versions["20261121"]["label"] == "release"
    assert versions["20261121"]["pubname"] == "debian-13-20261121"


def test_items_are_the_files_of_the_store(build: Build, tmp_path: Path) -> None:
    version = products(published.series(build))["debian:13:default:amd64"]["versions"]["20261121"]
    items = version["items"]
    assert sorted(items) == ["disk-kvm.img", "incus.tar.xz", "lxd.tar.xz", "root.tar.xz"]
    for kind, item in items.items():
        content = (tmp_path / item["path"]).read_bytes()
        assert item["ftype"] == kind
        assert item["size"] == len(content)
        assert item["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("field", "root"),
    [
        ("combined_disk-kvm-img_sha256", "disk-kvm.img"),
        ("combined_rootxz_sha256", "root.tar.xz"),
    ],
)
@pytest.mark.parametrize("metadata", ["incus.tar.xz", "lxd.tar.xz"])
def test_fingerprint_is_on_the_metadata(
    build: Build, tmp_path: Path, field: str, root: str, metadata: str
) -> None:
    version = products(published.series(build))["debian:13:default:amd64"]["versions"]["20261121"]
    items = version["items"]
    both = b"".join((tmp_path / items[key]["path"]).read_bytes() for key in (metadata, root))
    assert items[metadata][field] == hashlib.sha256(both).hexdigest()
    assert field not in items[root]


def test_channels_are_products_of_their_own(tmp_path: Path) -> None:
    builds = [
        published.publish(tmp_path, "20261121"),
        published.publish(tmp_path, "20261121.1", "daily"),
    ]
    found = products(published.series(*builds))
    assert list(found) == ["debian:13:default:amd64", "debian:13:default:amd64:daily"]
    daily = found["debian:13:default:amd64:daily"]
    assert all(alias.endswith("/daily") for alias in daily["aliases"].split(","))
    (version,) = daily["versions"].values()
    assert version["label"] == "daily"
    assert version["items"]["disk-kvm.img"]["path"].startswith("debian-13/daily/20261121.1/")


@pytest.mark.parametrize(
    "change",
    [
        {"state": "hidden"},
        {"state": "removed", "images": ()},
        {"images": ()},
        {"metadata": None},
    ],
    ids=str,
)
def test_what_is_not_listed(build: Build, change: dict[str, Any]) -> None:
    stream, images = documents(published.index(published.series(build.model_copy(update=change))))
    assert images["products"] == {}
    assert stream["index"]["images"]["products"] == []


def test_image_without_a_fingerprint_is_left_out(build: Build) -> None:
    disk, tree = build.images
    changed = build.model_copy(
        update={"images": (disk, tree.model_copy(update={"fingerprint": None}))}
    )
    (product,) = products(published.series(changed)).values()
    assert "root.tar.xz" not in product["versions"]["20261121"]["items"]


@pytest.mark.parametrize(
    ("series", "key", "aliases"),
    [
        (
            {"name": "debian-13-cloud-arm64", "arch": "arm64", "roles": ("cloud",)},
            "debian:13:cloud:arm64",
            "debian-13-cloud,debian-13-cloud-arm64,debian/trixie/cloud,debian/13/cloud",
        ),
        (
            {"name": "ubuntu-2404", "distro": "ubuntu", "release": "2404", "codename": "noble"},
            "ubuntu:2404:default:amd64",
            "ubuntu-2404,ubuntu/noble/default,ubuntu/noble,ubuntu/2404/default,ubuntu/2404"
            ",ubuntu/24.04/default,ubuntu/24.04",
        ),
        (
            {"name": "debian-sid", "release": "sid", "codename": "sid"},
            "debian:sid:default:amd64",
            "debian-sid,debian/sid/default,debian/sid",
        ),
        # Nobody's codename, but no reader could tell this alias from two.
        (
            {"name": "alpine-3.22", "distro": "alpine", "release": "3.22", "codename": "a b,c"},
            "alpine:3.22:default:amd64",
            "alpine-3.22,alpine/3.22/default,alpine/3.22",
        ),
    ],
)
def test_names(build: Build, series: dict[str, Any], key: str, aliases: str) -> None:
    found = products(published.series(build, **series))
    assert found[key]["aliases"] == aliases


@pytest.mark.parametrize(
    ("arch", "signed", "expected"),
    [
        ("amd64", (True, True), None),
        ("amd64", (True, False), {"secureboot": "false"}),
        ("ppc64el", (False, False), None),
    ],
)
def test_secure_boot(
    build: Build, arch: str, signed: tuple[bool, ...], expected: dict[str, str] | None
) -> None:
    builds = [
        build.model_copy(update={"serial": f"2026112{number}", "secure_boot": value})
        for number, value in enumerate(signed)
    ]
    (product,) = products(published.series(*builds, arch=arch)).values()
    assert product.get("requirements") == product.get("lxd_requirements") == expected


@pytest.mark.parametrize(
    ("end", "supported"),
    [(None, True), (published.WHEN.date(), True), (date(2026, 11, 20), False)],
)
def test_support(build: Build, end: date | None, supported: bool) -> None:
    (product,) = products(published.series(build), end=end).values()
    assert product["supported"] is supported
    assert product.get("support_eol") == (end.isoformat() if end else None)


def test_end_of_life_is_that_of_distro_info(build: Build) -> None:
    assert simplestreams.end_of_life(published.series(build, release="10")) == date(2022, 9, 10)
    assert simplestreams.end_of_life(published.series(build, release="sid")) is None
    assert simplestreams.end_of_life(published.series(build, distro="cirros")) is None


def test_signed_index_points_to_the_signed_images(build: Build) -> None:
    index = published.index(published.series(build))
    plain = simplestreams.streams(index)
    files = simplestreams.streams(index, lambda text: b"signed\n" + text)
    assert [path for path, _ in files] == [
        "streams/v1/images.json",
        "streams/v1/images.sjson",
        "streams/v1/index.json",
        "streams/v1/index.sjson",
    ]
    both = dict(files)
    assert set(plain) <= set(files)
    assert both["streams/v1/images.sjson"] == b"signed\n" + both["streams/v1/images.json"]
    stream = json.loads(both["streams/v1/index.sjson"].removeprefix(b"signed\n"))
    assert stream["index"]["images"]["path"] == "streams/v1/images.sjson"


def test_metadata_tarball() -> None:
    content = incus_metadata.tarball(published.manifest())
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as archive:
        (member,) = archive.getmembers()
        stream = archive.extractfile(member)
        assert stream is not None
        metadata = yaml.safe_load(stream)
    assert (member.name, member.mode, member.uid, member.uname) == (
        "metadata.yaml",
        0o644,
        0,
        "root",
    )
    assert member.mtime == metadata["creation_date"] == int(published.WHEN.timestamp())
    assert metadata["architecture"] == "x86_64"
    assert metadata["properties"] == {
        "os": "Debian",
        "release": "trixie",
        "version": "13",
        "variant": "default",
        "architecture": "amd64",
        "serial": "20261121",
        "description": "Debian 13 (trixie) amd64 (20261121)",
    }


@pytest.mark.parametrize(
    ("arch", "kernel"),
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("ppc64el", "ppc64le"), ("riscv64", "riscv64")],
)
def test_architectures_as_the_kernel_names_them(arch: str, kernel: str) -> None:
    content = incus_metadata.tarball(published.manifest(arch=arch))
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as archive:
        stream = archive.extractfile("metadata.yaml")
        assert stream is not None
        assert yaml.safe_load(stream)["architecture"] == kernel


def test_metadata_tarball_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = incus_metadata.tarball(published.manifest())
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert incus_metadata.tarball(published.manifest()) == first


@pytest.mark.parametrize(("packages", "signed"), [(published.PACKAGES, True), ((), False)])
def test_signed_boot(packages: Any, signed: bool) -> None:
    manifest = published.manifest(packages=tuple(published.package(*row) for row in packages))
    assert incus_metadata.starts_signed(manifest) is signed
