# SPDX-License-Identifier: GPL-2.0-or-later
"""AlmaLinux, CentOS Stream, Tumbleweed and MicroOS, by lists that their servers had.

Their signatures were not recorded: a test's key stands in for those of their makers.
"""

from __future__ import annotations

import hashlib

import pytest

from builder.errors import InfrastructureError
from tests.integration.apiserver import Asked, Reply
from tests.integration.remoteworld import Seal
from tests.integration.upstreams import Upstreams, is_signed_by, lines, recorded, told

ARCHES = {"": "x86_64", "-arm64": "aarch64"}
ALMA = "https://repo.almalinux.org/almalinux"
CENTOS = "https://cloud.centos.org/centos"
OPENSUSE = "https://download.opensuse.org"


@pytest.mark.parametrize(("arch", "theirs"), ARCHES.items())
@pytest.mark.parametrize(
    ("release", "version", "serial"),
    [("9", "9.8-20260526", "20260526"), ("10", "10.2-20260526.0", "20260526")],
)
def test_almalinux(
    servers: Upstreams,
    seals: tuple[Seal, Seal],
    release: str,
    version: str,
    serial: str,
    arch: str,
    theirs: str,
) -> None:
    servers.use("almalinux", seals[0])
    content = recorded(f"containerdisks/almalinux/almalinux{release}-{theirs}.checksum")
    folder = f"{ALMA}/{release}/cloud/{theirs}/images"
    servers.signed(f"{folder}/CHECKSUM", content, seals[0])
    file = f"AlmaLinux-{release}-GenericCloud-{version}.{theirs}.qcow2"
    found = servers.newest("almalinux", f"alma-{release}{arch}")
    assert told(found) == (f"{folder}/{file}", f"sha256:{lines(content)[file]}", serial)
    assert found.offer.version == version
    assert is_signed_by(found, seals[0])


def test_almalinux_counts_minor_numbers_and_builds_of_a_day(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("almalinux", seals[0])
    names = {
        "8": ["8.9-20260601", "8.10-20260101", "8-beta-20260701"],
        "10": ["10.2-20260526.9", "10.2-20260526.10", "10.10-20260101.0", "10.9-20260630.0"],
    }
    for release, versions in names.items():
        text = "".join(
            f"{hashlib.sha256(each.encode()).hexdigest()}"
            f"  AlmaLinux-{release}-GenericCloud-{each}.x86_64.qcow2\n"
            for each in versions
        )
        servers.signed(f"{ALMA}/{release}/cloud/x86_64/images/CHECKSUM", text, seals[0])
    assert servers.newest("almalinux", "alma-8").offer.version == "8.10-20260101"
    assert servers.newest("almalinux", "alma-10").offer.version == "10.10-20260101.0"


def test_a_list_that_somebody_else_signed_or_nobody(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("almalinux", seals[0])
    content = recorded("containerdisks/almalinux/almalinux9-x86_64.checksum")
    url = f"{ALMA}/9/cloud/x86_64/images/CHECKSUM"
    servers.signed(url, content, seals[1])
    with pytest.raises(InfrastructureError, match="not in the keyring"):
        servers.newest("almalinux", "alma-9")
    servers.put(f"{url}.asc", Reply(status=404))
    with pytest.raises(InfrastructureError, match=r"CHECKSUM\.asc is not there"):
        servers.newest("almalinux", "alma-9")
    servers.signed(url, content, seals[0])
    assert servers.newest("almalinux", "alma-9")
    servers.put(url, content.replace(b"c397", b"c398"))
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        servers.newest("almalinux", "alma-9")


CENTOS_LISTS = {
    "centos-9": ("osism/centos_stream9/CHECKSUM", "20260714.1", "x86_64-9"),
    "centos-9-arm64": ("containerdisks/centosstream/centos-stream9-aarch64.checksum", "", "9"),
    "centos-10": (
        "containerdisks/centosstream/centos-stream10-x86_64.checksum",
        "20241118.0",
        "x86_64-10",
    ),
    "centos-10-arm64": (
        "containerdisks/centosstream/centos-stream10-aarch64.checksum",
        "20241118.0",
        "10",
    ),
}


@pytest.mark.parametrize("name", CENTOS_LISTS)
def test_centos_stream(servers: Upstreams, name: str) -> None:
    servers.use("centos")
    path, version, begin = CENTOS_LISTS[name]
    release, theirs = name.split("-")[1], "aarch64" if name.endswith("arm64") else "x86_64"
    content = recorded(path)
    url = f"{CENTOS}/{release}-stream/{theirs}/images/CHECKSUM"

    def refusing(asked: Asked) -> Reply:
        agent = asked.headers["User-Agent"] or ""
        return Reply(content) if agent.startswith("fai-forge/") else Reply(status=403)

    servers.put(url, refusing)
    known = {
        file: digest
        for file, digest in lines(content).items()
        if "-GenericCloud-" in file and file.endswith("qcow2") and "latest" not in file
    }
    version = version or max(file.split("-")[-1][:10] for file in known)
    file = f"CentOS-Stream-GenericCloud-{begin}-{version}.{theirs}.qcow2"
    found = servers.newest("centos", name)
    assert told(found)[:2] == (f"{url.rpartition('/')[0]}/{file}", f"sha256:{known[file]}")
    assert found.offer.version == version
    assert "not signed" in found.offer.vouched


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b"<html><h1>Maintenance</h1></html>"), "is no list of digests"),
        (Reply(b""), "is no list of digests"),
        (Reply(b"\xff\xfe"), "is no list of digests: it is no text"),
        (Reply(status=404), "is not there"),
        (Reply(status=429, headers={"Retry-After": "9999"}), "has had too many requests of us"),
    ],
)
def test_what_is_no_list_of_digests(servers: Upstreams, reply: Reply, words: str) -> None:
    servers.use("centos")
    servers.put(f"{CENTOS}/10-stream/x86_64/images/CHECKSUM", reply)
    with pytest.raises(InfrastructureError, match=words):
        servers.newest("centos", "centos-10")


@pytest.mark.parametrize(("arch", "theirs"), ARCHES.items())
@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("tumbleweed", "openSUSE-Tumbleweed-Minimal-VM.{}-1.0.0-Cloud"),
        ("microos", "openSUSE-MicroOS.{}-16.0.0-OpenStack-Cloud"),
    ],
)
def test_opensuse_that_rolls(
    servers: Upstreams, seals: tuple[Seal, Seal], name: str, stem: str, arch: str, theirs: str
) -> None:
    servers.use("opensuse", seals[0])
    # Both lists in one: an older snapshot is no newer version, wherever it stands.
    content = recorded("containerdisks/opensuse/microos/microos.SHA256SUM")
    content += recorded("containerdisks/opensuse/tumbleweed/tumbleweed.SHA256SUM")
    content = content.replace(b"x86_64", theirs.encode())
    ports = "ports/aarch64/" if arch else ""
    folder = f"{OPENSUSE}/{ports}tumbleweed/appliances"
    servers.signed(f"{folder}/SHA256SUMS", content, seals[0])
    file = f"{stem.format(theirs)}-Snapshot20260207.qcow2"
    found = servers.newest("opensuse", f"opensuse-{name}{arch}")
    assert told(found) == (f"{folder}/{file}", f"sha256:{lines(content)[file]}", "20260207")
    assert is_signed_by(found, seals[0])
