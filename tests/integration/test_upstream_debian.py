# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's own cloud images, by the descriptions that its server had of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder import checksums
from builder.downloads.client import Absent
from builder.errors import InfrastructureError
from tests.integration.apiserver import Reply
from tests.integration.upstreams import Upstreams, recorded, told, upstreams

HOST = "https://cloud.debian.org/images/cloud"
RELEASES = {"12": "bookworm", "13": "trixie"}
# What is newest in the recorded documents; the digests begin as the server's own lists have them.
NEWEST = {
    "debian-13-genericcloud": ("trixie/20250814-2204", "13", "amd64", "d76122c87c940d1a"),
    "debian-13-genericcloud-arm64": ("trixie/20250814-2204", "13", "arm64", "e36d98d9ee1f09fc"),
    "debian-12-genericcloud": ("bookworm/20250210-2019", "12", "amd64", "a58d86525d75fd8e"),
    "debian-12-genericcloud-arm64": ("bookworm/20250210-2019", "12", "arm64", "a17a462acbc3412e"),
}
IMAGE = "upload.cloud.debian.org/image-format"


def document(release: str, arch: str) -> Any:
    return json.loads(recorded(f"containerdisks/debian/debian-{release}-genericcloud-{arch}.json"))


def uploads(content: Any) -> list[Any]:
    return [item for item in content["items"] if item["kind"] == "Upload"]


def place(release: str, arch: str) -> str:
    folder = f"{HOST}/{RELEASES[release]}/latest"
    return f"{folder}/debian-{release}-genericcloud-{arch}.json"


def lines(content: Any) -> dict[str, str]:
    """Lines of SHA512SUMS, by the folder that it is in."""
    found: dict[str, str] = {}
    for item in uploads(content):
        folder, _, file = item["data"]["ref"].rpartition("/")
        digest = item["metadata"]["annotations"]["cloud.debian.org/digest"]
        line = f"{checksums.digest(digest, file).value}  {file}\n"
        found[folder] = found.get(folder, "") + line
    return found


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        made.use("debian")
        sums: dict[str, str] = {}
        for release in RELEASES:
            for arch in ("amd64", "arm64"):
                content = document(release, arch)
                made.put(place(release, arch), json.dumps(content))
                for folder, text in lines(content).items():
                    sums[folder] = sums.get(folder, "") + text
        for folder, text in sums.items():
            made.put(f"{HOST}/{folder}/SHA512SUMS", text)
        yield made


def test_stable_and_the_one_before_it(servers: Upstreams) -> None:
    assert set(servers.series("debian")) == set(NEWEST)
    for name, (folder, release, arch, digest) in NEWEST.items():
        found = servers.newest("debian", name)
        day, _, number = folder.partition("/")[2].partition("-")
        file = f"debian-{release}-genericcloud-{arch}-{day}-{number}.qcow2"
        url, known, serial = told(found)
        assert url == f"{HOST}/{folder}/{file}"
        assert known.startswith(f"sha512:{digest}")
        assert (serial, found.offer.version) == (f"{day}.{number}", f"{day}-{number}")
        assert "not signed" in found.offer.vouched


def test_a_description_and_a_list_that_disagree(servers: Upstreams) -> None:
    content = document("13", "amd64")
    for item in uploads(content):
        item["metadata"]["annotations"]["cloud.debian.org/digest"] = "sha512:" + "0" * 128
    servers.put(place("13", "amd64"), json.dumps(content))
    with pytest.raises(InfrastructureError, match="have different digests of debian-13"):
        servers.newest("debian", "debian-13-genericcloud")


def test_only_finished_builds_count_unless_others_are_asked_for(servers: Upstreams) -> None:
    content = document("13", "amd64")
    for item in uploads(content):
        item["metadata"]["labels"]["upload.cloud.debian.org/type"] = "daily"
    servers.put(place("13", "amd64"), json.dumps(content))
    with pytest.raises(InfrastructureError, match="has no version of debian-13-genericcloud"):
        servers.newest("debian", "debian-13-genericcloud")
    assert servers.newest("debian", "debian-13-genericcloud", beta=True).offer.serial


def test_only_the_wanted_format_counts_whatever_a_file_is_called(servers: Upstreams) -> None:
    content = document("13", "amd64")
    for item in uploads(content):
        if item["metadata"]["labels"][IMAGE] == "qcow2":
            item["metadata"]["labels"][IMAGE] = "internal"
    servers.put(place("13", "amd64"), json.dumps(content))
    with pytest.raises(InfrastructureError, match="has no version of debian-13-genericcloud"):
        servers.newest("debian", "debian-13-genericcloud")
    with pytest.raises(InfrastructureError, match="has no version of debian-13-genericcloud"):
        servers.newest("debian", "debian-13-genericcloud", beta=True)


def test_digests_that_are_none_and_references_that_lead_out(servers: Upstreams) -> None:
    for key, value, words in (
        ("digest", "sha512:12EiyHyU", "has 128 digits, and this one has not"),
        ("digest", "md5:" + "0" * 32, "has a digest by md5"),
        ("digest", "", "it is no digest"),
        ("ref", "../../{}", "is no path below a URL"),
        ("ref", "//elsewhere.example.org/{}", "is no path below a URL"),
    ):
        content = document("13", "amd64")
        for item in uploads(content):
            if key == "ref":
                item["data"]["ref"] = value.format(item["data"]["ref"].rpartition("/")[2])
            else:
                item["metadata"]["annotations"]["cloud.debian.org/digest"] = value
        servers.put(place("13", "amd64"), json.dumps(content))
        with pytest.raises(InfrastructureError, match=words):
            servers.newest("debian", "debian-13-genericcloud")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b"<html><h1>Maintenance</h1>"), "is no JSON document"),
        (Reply(b"{}"), "kind: Field required"),
        (Reply(b'{"kind": "List", "items": [{"kind": "Upload", "data": 1}]}'), "items.0.data"),
        (Reply(b'{"kind": "List", "items": []}'), "has no version of debian-13-genericcloud"),
    ],
)
def test_nonsense_is_told_as_such(servers: Upstreams, reply: Reply, words: str) -> None:
    servers.put(place("13", "amd64"), reply)
    with pytest.raises(InfrastructureError, match=words):
        servers.newest("debian", "debian-13-genericcloud")
    assert servers.newest("debian", "debian-12-genericcloud")


def test_a_folder_that_vanished_is_no_empty_one(servers: Upstreams) -> None:
    servers.put(place("13", "amd64"), Reply(status=404))
    with pytest.raises(Absent, match="is not there: the image is not made any more"):
        servers.newest("debian", "debian-13-genericcloud")


def test_another_server_does_not_answer_for_what_nobody_signs(servers: Upstreams) -> None:
    servers.put("https://elsewhere.example.org/x.json", json.dumps(document("13", "amd64")))
    other = f"http://localhost:{servers.server.server_port}/elsewhere.example.org/x.json"
    servers.put(place("13", "amd64"), Reply(status=302, headers={"Location": other}))
    with pytest.raises(InfrastructureError, match="is answered by another server, localhost"):
        servers.newest("debian", "debian-13-genericcloud")
