# SPDX-License-Identifier: GPL-2.0-or-later
"""SUSE Linux Enterprise Server and Windows Server, of which a site supplies the images."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from builder.documents import DocumentError
from builder.downloads.pieces import WrongContent
from builder.errors import UsageError
from builder.imports import bringing
from builder.imports.bringing import Description
from builder.manifest import document
from builder.manifest.imported import Imported
from builder.upstream.finding import Found
from tests.integration.remoteworld import disk
from tests.integration.upstreams import Upstreams, told

SLES_15 = "SLES15-SP7-Minimal-VM.x86_64-Cloud-{}.qcow2"
SLES_16 = "SLES-16.0-Minimal-VM.x86_64-Cloud-{}.qcow2"


def image(name: str, content: bytes = b"", **more: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    known = {"arch": "amd64", "file": name, "sha256": sha256, "date": date(2026, 3, 1)} | more
    return {field: value for field, value in known.items() if value is not None}


def supply(servers: Upstreams, source: str, release: str, *images: dict[str, Any]) -> None:
    known = {"release": release, "index": {"kind": "given", "images": list(images)}}
    servers.use(source, releases=[known | PATTERNS.get(release, {})])


PATTERNS: dict[str, dict[str, Any]] = {
    "15": {
        "file": r"SLES{release}-(?P<version>SP[0-9]+)-Minimal-VM\.{arch}-Cloud-"
        r"(?P<respin>GM|QU[0-9]+)\.qcow2"
    },
    "16": {
        "file": r"SLES-(?P<version>{release}\.[0-9]+)-Minimal-VM\.{arch}-Cloud-"
        r"(?P<respin>GM|QU[0-9]+)\.qcow2"
    },
}


@pytest.mark.parametrize(
    ("source", "name"),
    [("sles", "sles-15"), ("sles", "sles-16-arm64"), ("windows", "windows-2019")],
)
def test_nobody_has_supplied_anything(servers: Upstreams, source: str, name: str) -> None:
    servers.use(source)
    assert not any(each.supplied for each in servers.series(source).values())
    with pytest.raises(UsageError, match=f"nobody has supplied an image of {name}"):
        servers.newest(source, name)
    assert not servers.server.log


@pytest.mark.parametrize(
    ("release", "form", "updates", "best"),
    [
        ("15", SLES_15, ["GM", "QU1"], "QU1"),
        ("15", SLES_15, ["QU4", "QU10", "QU9"], "QU10"),
        ("16", SLES_16, ["QU0", "GM"], "QU0"),
        ("16", SLES_16, ["QU2", "QU1"], "QU2"),
    ],
)
def test_updates_count_as_numbers(
    servers: Upstreams, release: str, form: str, updates: list[str], best: str
) -> None:
    supply(servers, "sles", release, *(image(form.format(each)) for each in updates))
    series = servers.series("sles")
    assert series[f"sles-{release}"].supplied
    assert not series[f"sles-{release}-arm64"].supplied
    found = servers.newest("sles", f"sles-{release}")
    place = servers.folder / "upstreams" / form.format(best)
    digest = hashlib.sha256(b"").hexdigest()
    assert told(found) == (place.as_uri(), f"sha256:{digest}", "20260301")
    assert found.offer.version.endswith(f".{best}")
    assert "sles.yaml, in which this site says" in found.offer.vouched


def test_the_patterns_are_those_of_the_file(servers: Upstreams) -> None:
    servers.use("sles")
    for name, series in servers.series("sles").items():
        assert series.traits.file == PATTERNS[series.release.release]["file"], name


def bring(servers: Upstreams, found: Found) -> Imported:
    """The manifest of an image, brought as a puller does it."""
    ((address, client),) = found.places(servers.asking())
    (offered,) = found.offer.images
    offer = replace(found.offer, images=(replace(offered, url=address),))
    folder = servers.folder / "brought"
    bringing.bring(client, offer, Description(), (), folder, lambda _: None)
    manifest = document.load_any(next(folder.glob("*.manifest.json")))
    assert isinstance(manifest, Imported)
    return manifest


def test_a_file_is_taken_in(servers: Upstreams, tmp_path: Path) -> None:
    content, name = disk(tmp_path), "windows-2022.qcow2"
    servers.use("windows")
    (servers.folder / "upstreams" / name).write_bytes(content)
    supply(servers, "windows", "2022", image(name, content, version="20348.3091"))
    manifest = bring(servers, servers.newest("windows", "windows-2022"))
    assert (manifest.name, manifest.serial) == ("windows-2022", "20260301")
    assert manifest.title.startswith("Windows")
    assert manifest.origin.url == name, "nobody has to know where it is on this machine"
    assert manifest.origin.version == "20348.3091"
    assert [each.sha256 for each in manifest.files] == [hashlib.sha256(content).hexdigest()]


def test_a_file_at_a_url_is_taken_in(servers: Upstreams, tmp_path: Path) -> None:
    content, name = disk(tmp_path), SLES_16.format("QU0")
    url = f"https://images.example.org/{name}"
    servers.put(url, content)
    supply(servers, "sles", "16", image(name, content, file=None, url=url))
    manifest = bring(servers, servers.newest("sles", "sles-16"))
    assert manifest.origin.version == "16.0.QU0"


def test_another_file_than_the_one_that_was_said(servers: Upstreams, tmp_path: Path) -> None:
    name = "windows-2022.qcow2"
    servers.use("windows")
    (servers.folder / "upstreams" / name).write_bytes(disk(tmp_path))
    supply(servers, "windows", "2022", image(name, b"another", version="1"))
    with pytest.raises(WrongContent):
        bring(servers, servers.newest("windows", "windows-2022"))
    assert (servers.folder / "upstreams" / name).exists()


def test_a_file_that_is_not_there(servers: Upstreams) -> None:
    supply(servers, "windows", "2022", image("windows.qcow2", version="1"))
    with pytest.raises(UsageError, match=r"windows\.qcow2 cannot be read"):
        bring(servers, servers.newest("windows", "windows-2022"))


@pytest.mark.parametrize("name", ["sles.qcow2", SLES_15.format("PublicRC"), SLES_16.format("QU1")])
def test_a_name_that_tells_no_version(servers: Upstreams, name: str) -> None:
    supply(servers, "sles", "15", image(name))
    with pytest.raises(UsageError, match="does not say which version"):
        servers.newest("sles", "sles-15")
    supply(servers, "sles", "15", image(name, version="15-SP7-QU4"))
    assert servers.newest("sles", "sles-15").offer.version == "15-SP7-QU4"


@pytest.mark.parametrize(
    "wrong",
    [{"file": None}, {"url": "https://images.example.org/x"}, {"sha256": "12"}, {"date": None}],
)
def test_what_cannot_be_meant(servers: Upstreams, wrong: dict[str, Any]) -> None:
    supply(servers, "windows", "2022", image("windows.qcow2", version="1", **wrong))
    with pytest.raises(DocumentError):
        servers.series("windows")
