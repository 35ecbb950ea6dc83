# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders that servers list: openSUSE Leap with its real signature, and Ubuntu's real list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.downloads import documents
from builder.downloads.client import Absent
from builder.errors import InfrastructureError
from builder.upstream import folders
from tests.integration.apiserver import Reply
from tests.integration.upstreams import Upstreams, recorded, told, upstreams

LEAP = "https://download.opensuse.org/distribution/leap"
STATES = "https://get.opensuse.org/api/v0/distributions.json"
KEY = "AD485664E901B867051AB15F35A2F86E29B700A4"
UBUNTU_KEY = "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81"
FILE = "Leap-16.0-Minimal-VM.aarch64-Cloud-Build18.7.qcow2"
SIGNED = f"signed/opensuse-{FILE}.sha256"
# 2026-06-19 05:29 in UTC.
AT = 1781846940
APPLIANCES = {
    "Leap-16.0-Minimal-VM.aarch64-Cloud-Build16.2.qcow2": AT - 86400,
    "Leap-16.0-Minimal-VM.aarch64-Cloud-Build9.10.qcow2": AT + 86400,
    FILE: AT,
    f"{FILE}.sha256": AT,
    "Leap-16.0-Minimal-VM.aarch64-Cloud.qcow2": AT + 60,
    "Leap-16.0-Minimal-VM.aarch64-kvm-Build18.70.qcow2": AT,
    "Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.71.qcow2": AT,
    "iso/": AT,
}


def leap(*states: tuple[str, str]) -> str:
    """openSUSE's releases, with the weights and names that are beside the states."""
    rows = [{"name": "openSUSE Leap", "version": each, "state": state} for each, state in states]
    return json.dumps({"Tumbleweed": [{"name": "Tumbleweed", "version": "20260207"}], "Leap": rows})


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        made.use("opensuse-leap")
        made.put(STATES, leap(("16.1", "RC"), ("15.6", "EOL"), ("16.0", "Stable"), ("42.3", "EOL")))
        made.table(f"{LEAP}/16.0/appliances/", APPLIANCES)
        made.put(f"{LEAP}/16.0/appliances/{FILE}.sha256", recorded(SIGNED))
        made.put(f"{LEAP}/16.0/appliances/{FILE}.sha256.asc", recorded(f"{SIGNED}.asc"))
        yield made


def newest(servers: Upstreams) -> tuple[str, str, str]:
    return told(servers.newest("opensuse-leap", "opensuse-16.0-arm64"))


def test_leap_with_the_signature_of_its_makers(servers: Upstreams) -> None:
    assert set(servers.series("opensuse-leap")) == {"opensuse-16.0", "opensuse-16.0-arm64"}
    found = servers.newest("opensuse-leap", "opensuse-16.0-arm64")
    assert told(found) == (
        f"{LEAP}/16.0/appliances/{FILE}",
        f"sha256:{recorded(SIGNED).decode().split()[0]}",
        "20260619.529",
    )
    assert found.offer.version == "18.7"
    assert found.offer.vouched == f"{FILE}.sha256, signed by {KEY}"


def test_a_key_that_has_expired_counts_by_name_only(servers: Upstreams) -> None:
    signature = {
        "file": "{list}.asc",
        "keyring": "distribution-gpg-keys/opensuse/RPM-GPG-KEY-openSUSE-2022",
        "keys": [KEY],
    }
    servers.use("opensuse-leap", signature=signature)
    with pytest.raises(InfrastructureError, match="is signed with a key that has expired"):
        newest(servers)
    servers.use("opensuse-leap", signature=signature | {"keys": ["A" * 40]})
    with pytest.raises(InfrastructureError, match="is signed with a key that has expired"):
        newest(servers)


def test_one_byte_changed(servers: Upstreams) -> None:
    url = f"{LEAP}/16.0/appliances/{FILE}.sha256"
    servers.put(url, recorded(SIGNED).replace(b"2e9e", b"2e9f"))
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        newest(servers)
    servers.put(url, recorded(SIGNED))
    servers.put(f"{url}.asc", Reply(status=404))
    with pytest.raises(InfrastructureError, match=r"\.asc is not there"):
        newest(servers)


def test_the_newest_release_is_a_finished_one(servers: Upstreams) -> None:
    assert set(servers.series("opensuse-leap", beta=True)) == {
        "opensuse-16.1",
        "opensuse-16.1-arm64",
    }
    servers.put(STATES, leap(("16.9", "Stable"), ("16.10", "Stable"), ("42.3", "EOL")))
    assert "opensuse-16.10" in servers.series("opensuse-leap")
    for content, words in (
        ('{"Leap": 1}', "has no releases of Leap"),
        ("[]", "has no releases of Leap"),
        ('{"Leap": ["16.0"]}', "valid dictionary"),
        ("<html>", "is no JSON document"),
    ):
        servers.put(STATES, content)
        with pytest.raises(InfrastructureError, match=words):
            servers.series("opensuse-leap")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b"<html><h1>Welcome</h1></html>"), "is no JSON document"),
        (Reply(b'{"data": [{"name": 1}]}'), "data.0.name"),
        (Reply(b'{"data": [{"name": "a", "mtime": 1e99}]}'), "data.0.mtime"),
        (Reply(b'{"data": []}'), "has no version of opensuse-16.0-arm64"),
        (Reply(endless=True), "larger than it may be"),
        (Reply(status=404), "is not there: it has vanished"),
        (Reply(status=429, headers={"Retry-After": "9999"}), "has had too many requests of us"),
    ],
)
def test_nonsense_is_told_as_such(
    servers: Upstreams, reply: Reply, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "LARGEST", 1 << 20)
    servers.put(f"{LEAP}/16.0/appliances/?jsontable", reply)
    with pytest.raises(InfrastructureError, match=words) as error:
        newest(servers)
    assert isinstance(error.value, Absent) == (reply.status == 404)


def test_lists_are_not_downloaded_again(servers: Upstreams) -> None:
    first = newest(servers)
    asked = len(servers.server.log)
    assert newest(servers) == first
    again = servers.server.log[asked:]
    assert again
    assert all(each.headers["If-None-Match"] for each in again)
    assert documents.LARGEST > folders.LARGEST


NOBLE = "https://cloud-images.ubuntu.com/releases/noble/"
# Another way to the same images, as a site may write it: a folder for each day, a list in it.
BY_FOLDER: dict[str, Any] = {
    "index": {
        "kind": "listing",
        "url": NOBLE,
        "folder": "release-(?P<date>[0-9]{8})"
        r"(?:\.(?P<respin>[0-9]+))?",
    },
    "checksums": "SHA256SUMS",
    "signature": {
        "file": "{list}.gpg",
        "keyring": "keyrings/ubuntu-cloudimage-keyring.gpg",
        "keys": [UBUNTU_KEY],
    },
    "newest": None,
    "releases": [{"release": "2404", "number": "24.04"}],
}


def ubuntu(servers: Upstreams, *names: str) -> None:
    """The folder of a release, in the form of the recorded page, and what is in the last one."""
    page = recorded("osism/ubuntu2404/index.html").decode()
    start, line, rest = page.partition('<img src="../../../../cdicons/folder.png"')
    row = f"{line}{rest[: rest.index(chr(10)) + 1]}"
    rows = "".join(row.replace("20260307", name) for name in names)
    end = rest[rest.rindex('<a href="current/">') :]
    servers.put(NOBLE, f"{start}{rows}{line}> {end}")
    folder = f"{NOBLE}{names[-1]}/"
    servers.page(folder, "ubuntu-24.04-server-cloudimg-amd64.img", "SHA256SUMS", "SHA256SUMS.gpg")
    listed = "signed/ubuntu-noble-release-20260725-SHA256SUMS"
    servers.put(f"{folder}SHA256SUMS", recorded(listed))
    servers.put(f"{folder}SHA256SUMS.gpg", recorded(f"{listed}.gpg"))


def test_ubuntu_with_the_signature_of_its_makers(servers: Upstreams) -> None:
    servers.use("ubuntu", **BY_FOLDER)
    ubuntu(servers, "release-20260615", "release-20221101.1", "release-20260725")
    found = servers.newest("ubuntu", "ubuntu-2404")
    file = "ubuntu-24.04-server-cloudimg-amd64.img"
    lines = recorded("signed/ubuntu-noble-release-20260725-SHA256SUMS").decode().splitlines()
    (digest,) = [line.split(" *")[0] for line in lines if line.endswith(f" *{file}")]
    url = f"{NOBLE}release-20260725/{file}"
    assert told(found) == (url, f"sha256:{digest}", "20260725")
    assert found.offer.vouched == f"SHA256SUMS, signed by {UBUNTU_KEY}"
    # The name of the image is told by a whole name, and not by a part of it.
    assert sum(file.removesuffix(".img") in line for line in lines) > 1


def test_folders_of_a_day_count_as_numbers(servers: Upstreams) -> None:
    servers.use("ubuntu", **BY_FOLDER)
    ubuntu(servers, "release-20260725", "release-20260725.9", "release-20260725.10")
    found = servers.newest("ubuntu", "ubuntu-2404")
    assert told(found)[2] == "20260725.10"


@pytest.mark.parametrize(
    "page",
    [
        b"<html><title>Sorry</title><h1>Maintenance</h1><a href='release-20260725/'>x</a></html>",
        b"<html><h1>404</h1><a href='/'>Home</a></html>",
        b"",
        b"{}",
        b"<![bad[",
    ],
)
def test_a_page_in_place_of_a_list(servers: Upstreams, page: bytes) -> None:
    servers.use("ubuntu", **BY_FOLDER)
    servers.put(NOBLE, page)
    with pytest.raises(InfrastructureError, match="/releases/noble/ is no list of a folder"):
        servers.newest("ubuntu", "ubuntu-2404")
