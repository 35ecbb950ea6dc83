# SPDX-License-Identifier: GPL-2.0-or-later
"""AlmaLinux, Rocky Linux, CentOS Stream, Tumbleweed and MicroOS, by lists that their servers had.

Their signatures were not recorded: a test's key stands in for those of their makers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.downloads.client import Absent
from builder.errors import InfrastructureError
from builder.upstream.finding import Found
from tests.integration.apiserver import Asked, Reply
from tests.integration.remoteworld import Seal
from tests.integration.signing import key_home
from tests.integration.upstreams import Upstreams, recorded, told, upstreams

ARCHES = {"": "x86_64", "-arm64": "aarch64"}
ALMA = "https://repo.almalinux.org/almalinux"
ROCKY = "https://dl.rockylinux.org/pub/rocky"
CENTOS = "https://cloud.centos.org/centos"
OPENSUSE = "https://download.opensuse.org"


@pytest.fixture(scope="module")
def seals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seal, Seal]]:
    folder = tmp_path_factory.mktemp("keys")
    with key_home() as home:
        yield Seal.make(home, folder, "theirs"), Seal.make(home, folder, "stranger")


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        yield made


def lines(content: bytes) -> dict[str, str]:
    """The digests in a recorded list, read by the simplest of means."""
    found = {}
    for line in content.decode().splitlines():
        if line.startswith("SHA256 ("):
            name, _, digest = line.removeprefix("SHA256 (").partition(") = ")
            found[name] = digest
        elif line and not line.startswith("#"):
            digest, _, name = line.partition("  ")
            found[name] = digest
    return found


def is_signed_by(found: Found, seal: Seal) -> bool:
    return found.offer.vouched.endswith(f"signed by {seal.signer.fingerprint}")


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


def rocky(servers: Upstreams, seal: Seal, folder: str, arch: str, *versions: str) -> None:
    """Images of a point release: a list of each, signed, and names that are replaced in place."""
    release = folder.partition(".")[0]
    where, names = f"{ROCKY}/{folder}/images/{arch}/", []
    for version in versions:
        for variant in ("Base", "LVM"):
            file = f"Rocky-{release}-GenericCloud-{variant}-{version}.{arch}.qcow2"
            digest = hashlib.sha256(file.encode()).hexdigest()
            text = f"# {file}: 645988352 bytes\nSHA256 ({file}) = {digest}\n"
            servers.signed(f"{where}{file}.CHECKSUM", text, seal)
            names += [file, f"{file}.CHECKSUM", f"{file}.CHECKSUM.asc"]
    latest = f"Rocky-{release}-GenericCloud-Base.latest.{arch}.qcow2"
    servers.page(where, "CHECKSUM", *names, latest, f"{latest}.CHECKSUM")


ROOT = ("8/", "8.4/", "8.10/", "9/", "9.8/", "9.10/", "10/", "10.2/", "9.11-BETA/", "RPM-GPG-KEY-9")


def test_rocky(servers: Upstreams, seals: tuple[Seal, Seal]) -> None:
    servers.use("rocky", seals[0])
    servers.page(f"{ROCKY}/", *ROOT)
    file = "Rocky-10-GenericCloud-Base-10.2-20260525.0.x86_64.qcow2"
    listed = recorded(f"derived/{file}.CHECKSUM")
    for arch in ARCHES.values():
        rocky(servers, seals[0], "10.2", arch, "10.2-20260525.0")
        rocky(servers, seals[0], "10", arch, "10.1-20251116.0")
        rocky(servers, seals[0], "9.8", arch, "9.8-20260801.0")
        rocky(servers, seals[0], "9.10", arch, "9.10-20260525.9", "9.10-20260525.10")
        rocky(servers, seals[0], "8.10", arch, "8.10-20240528.0")
        rocky(servers, seals[0], "8.4", arch, "8.4-20270101.0")
    servers.signed(f"{ROCKY}/10.2/images/x86_64/{file}.CHECKSUM", listed, seals[0])
    assert set(servers.series("rocky")) == {
        f"rocky-{release}{arch}" for release in ("8", "9", "10") for arch in ARCHES
    }
    found = servers.newest("rocky", "rocky-10")
    digest = lines(listed)[file]
    where = f"{ROCKY}/10.2/images/x86_64"
    assert told(found) == (f"{where}/{file}", f"sha256:{digest}", "20260525")
    assert is_signed_by(found, seals[0])
    for arch, theirs in ARCHES.items():
        for release, version, serial in (
            ("9", "9.10-20260525.10", "20260525.10"),
            ("8", "8.10-20240528.0", "20240528"),
        ):
            url, _, known = told(servers.newest("rocky", f"rocky-{release}{arch}"))
            assert url.endswith(f"/Rocky-{release}-GenericCloud-Base-{version}.{theirs}.qcow2")
            assert known == serial
    # The digest of another file, and none of this one.
    other = listed.replace(b"-Base-", b"-LVM-")
    servers.signed(f"{where}/{file}.CHECKSUM", other, seals[0])
    with pytest.raises(InfrastructureError, match="has no line for Rocky-10-GenericCloud-Base"):
        servers.newest("rocky", "rocky-10")
    # A digest that is too short.
    servers.signed(f"{where}/{file}.CHECKSUM", listed.replace(b"9fc9", b""), seals[0])
    with pytest.raises(InfrastructureError, match="is no list of digests"):
        servers.newest("rocky", "rocky-10")


def test_a_folder_that_is_there_before_its_images(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("rocky", seals[0])
    servers.page(f"{ROCKY}/", *ROOT)
    rocky(servers, seals[0], "9.8", "x86_64", "9.8-20260525.0")
    # 9.10 has no images/ yet; then one without an image.
    assert servers.newest("rocky", "rocky-9").offer.version == "9.8-20260525.0"
    servers.page(f"{ROCKY}/9.10/images/x86_64/", "README")
    assert servers.newest("rocky", "rocky-9").offer.version == "9.8-20260525.0"
    with pytest.raises(Absent, match=r"rocky/8\.10/images/x86_64/ is not there: it has vanished"):
        servers.newest("rocky", "rocky-8")
    servers.page(f"{ROCKY}/", "9/", "README")
    with pytest.raises(InfrastructureError, match=r"/pub/rocky/ has no folder of rocky-9"):
        servers.newest("rocky", "rocky-9")
    servers.put(f"{ROCKY}/", Reply(status=404))
    with pytest.raises(Absent, match=r"/pub/rocky/ is not there: it has vanished"):
        servers.newest("rocky", "rocky-9")


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
