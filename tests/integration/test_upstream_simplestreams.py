# SPDX-License-Identifier: GPL-2.0-or-later
"""Ubuntu's images: simplestreams, shaped as its servers have them, and signed by a test's key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.upstream import finding
from builder.upstream.asking import Asking
from tests.integration.apiserver import Reply
from tests.integration.remoteworld import Seal
from tests.integration.signing import key_home
from tests.integration.upstreams import Upstreams, recorded, told, upstreams

HOST = "https://cloud-images.ubuntu.com/releases"
CONTENT = "com.ubuntu.cloud:released:download"
CODENAMES = {"24.04": "noble", "26.04": "resolute"}
# Of the recorded SHA256SUMS of release-20260725, by architecture.
RECORDED = {
    line.split(" *")[1]: line.split(" *")[0]
    for line in recorded("signed/ubuntu-noble-release-20260725-SHA256SUMS").decode().splitlines()
}


def digest(number: str, arch: str, version: str) -> str:
    file = f"ubuntu-{number}-server-cloudimg-{arch}.img"
    made = hashlib.sha256(f"{file} {version}".encode()).hexdigest()
    return RECORDED.get(file, made) if version == "20260725" else made


def versions(number: str, arch: str, *names: str, **more: Any) -> dict[str, Any]:
    """The versions of a product, with the items that others want and we do not."""
    found = {}
    for name in names:
        folder = f"server/releases/{CODENAMES[number]}/release-{name}"
        stem = f"{folder}/ubuntu-{number}-server-cloudimg-{arch}"
        disk = {
            "ftype": "disk1.img",
            "path": f"{stem}.img",
            "sha256": digest(number, arch, name),
            "size": 624000000,
        }
        other = {"ftype": "squashfs", "path": f"{stem}.squashfs", "sha256": "0" * 64, "size": 7}
        manifest = {"ftype": "manifest", "path": f"{stem}.manifest", "size": 7}
        found[name] = {
            "items": {"disk1.img": disk | more, "squashfs": other, "manifest": manifest},
            "label": "release",
            "pubname": f"ubuntu-{CODENAMES[number]}-{number}-{arch}-server-{name}",
        }
    return found


@pytest.fixture(scope="module")
def seals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seal, Seal]]:
    folder = tmp_path_factory.mktemp("keys")
    with key_home() as home:
        yield Seal.make(home, folder, "ubuntu"), Seal.make(home, folder, "stranger")


class Ubuntu:
    """The server's products; `put` signs and serves them."""

    def __init__(self, servers: Upstreams) -> None:
        self.servers = servers
        self.products = {
            f"com.ubuntu.cloud:server:{number}:{arch}": {
                "arch": arch,
                "versions": versions(number, arch, "20260615", "20260725"),
            }
            for number in CODENAMES
            for arch in ("amd64", "arm64", "amd64v3")
        }

    def add(self, *names: str, number: str = "24.04", arch: str = "amd64", **more: Any) -> None:
        product: Any = self.products[f"com.ubuntu.cloud:server:{number}:{arch}"]
        product["versions"] |= versions(number, arch, *names, **more)

    def put(self, seal: Seal, index: Seal | None = None) -> None:
        told = "Sat, 25 Jul 2026 22:34:07 +0000"
        path = f"streams/v1/{CONTENT}.sjson"
        products = {"format": "products:1.0", "updated": told, "products": self.products}
        entry = {"datatype": "image-downloads", "path": path, "products": list(self.products)}
        listed = {"format": "index:1.0", "updated": told, "index": {CONTENT: entry}}
        for place, content, by in (
            (path, products, seal),
            ("streams/v1/index.sjson", listed, index or seal),
        ):
            text = json.dumps(content, indent=1).encode()
            self.servers.put(f"{HOST}/{place}", by.signer.clearsigned(text))


@pytest.fixture
def ubuntu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seals: tuple[Seal, Seal]
) -> Iterator[Ubuntu]:
    with upstreams(tmp_path, monkeypatch) as servers:
        servers.use("ubuntu", seals[0])
        made = Ubuntu(servers)
        made.put(seals[0])
        yield made


def test_the_two_newest_with_long_term_support(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    names = {"ubuntu-2404": ("24.04", "amd64"), "ubuntu-2404-arm64": ("24.04", "arm64")}
    names |= {"ubuntu-2604": ("26.04", "amd64"), "ubuntu-2604-arm64": ("26.04", "arm64")}
    assert set(ubuntu.servers.series("ubuntu")) == set(names)
    for name, (number, arch) in names.items():
        found = ubuntu.servers.newest("ubuntu", name)
        folder = f"{HOST}/server/releases/{CODENAMES[number]}/release-20260725"
        assert told(found) == (
            f"{folder}/ubuntu-{number}-server-cloudimg-{arch}.img",
            f"sha256:{digest(number, arch, '20260725')}",
            "20260725",
        )
        assert found.offer.vouched.endswith(f"signed by {seals[0].signer.fingerprint}")
        assert found.offer.images[0].format == "qcow2"


def test_versions_count_as_numbers(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    ubuntu.add("20261101", "20261101.9", "20261101.10", "20261020")
    ubuntu.put(seals[0])
    assert told(ubuntu.servers.newest("ubuntu", "ubuntu-2404"))[2] == "20261101.10"


def test_what_is_no_finished_version(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    ubuntu.add("latest", "20261101")
    product: Any = ubuntu.products["com.ubuntu.cloud:server:24.04:amd64"]
    product["versions"]["20261101"]["label"] = "beta1"
    # Versions without the item, or without its digest.
    ubuntu.add("20261102", sha256=None)
    ubuntu.add("20261103")
    del product["versions"]["20261103"]["items"]["disk1.img"]
    ubuntu.put(seals[0])
    servers = ubuntu.servers
    assert told(servers.newest("ubuntu", "ubuntu-2404"))[2] == "20260725"
    assert told(servers.newest("ubuntu", "ubuntu-2404", beta=True))[2] == "20261101"


def test_only_pinned_keys_sign(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    ours, stranger = seals
    for products, index in ((stranger, ours), (ours, stranger), (stranger, stranger)):
        ubuntu.put(products, index)
        with pytest.raises(InfrastructureError, match="not in the keyring"):
            ubuntu.servers.newest("ubuntu", "ubuntu-2404")
    # A key of the keyring that nobody pinned: Ubuntu's has one, too.
    ring = ubuntu.servers.known["ubuntu"].parent / ours.keyring.name
    ring.write_bytes(ring.read_bytes() + stranger.keyring.read_bytes())
    for products, index in ((stranger, ours), (ours, stranger)):
        ubuntu.put(products, index)
        with pytest.raises(InfrastructureError, match="not one of those that are pinned"):
            ubuntu.servers.newest("ubuntu", "ubuntu-2404")
    ubuntu.put(ours)
    assert ubuntu.servers.newest("ubuntu", "ubuntu-2404")


def test_one_byte_changed(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    path = f"streams/v1/{CONTENT}.sjson"
    text = json.dumps({"format": "products:1.0", "products": ubuntu.products}).encode()
    signed = seals[0].signer.clearsigned(text)
    wanted = digest("24.04", "amd64", "20260725").encode()
    assert wanted in signed
    ubuntu.servers.put(f"{HOST}/{path}", signed.replace(wanted, b"0" + wanted[1:]))
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        ubuntu.servers.newest("ubuntu", "ubuntu-2404")


def test_signatures_that_are_gone(ubuntu: Ubuntu) -> None:
    plain = json.dumps({"format": "products:1.0", "products": ubuntu.products})
    ubuntu.servers.put(f"{HOST}/streams/v1/{CONTENT}.sjson", plain)
    with pytest.raises(InfrastructureError, match="has no good signature"):
        ubuntu.servers.newest("ubuntu", "ubuntu-2404")
    ubuntu.servers.put(f"{HOST}/streams/v1/index.sjson", Reply(status=404))
    with pytest.raises(InfrastructureError, match="is not there"):
        ubuntu.servers.newest("ubuntu", "ubuntu-2404")


def test_a_product_that_is_gone(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    del ubuntu.products["com.ubuntu.cloud:server:24.04:amd64"]
    ubuntu.put(seals[0])
    with pytest.raises(InfrastructureError, match=r"no product com\.ubuntu\.cloud:server:24"):
        ubuntu.servers.newest("ubuntu", "ubuntu-2404")
    assert ubuntu.servers.newest("ubuntu", "ubuntu-2404-arm64")


def test_paths_stay_below_the_server(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    file = "ubuntu-24.04-server-cloudimg-amd64.img"
    for path in (f"../{file}", f"//elsewhere.example.org/{file}", f"/{file}"):
        ubuntu.add("20261101", path=path)
        ubuntu.put(seals[0])
        with pytest.raises(InfrastructureError, match="is no path below a URL"):
            ubuntu.servers.newest("ubuntu", "ubuntu-2404")


def test_a_mirror_is_asked_where_the_server_fails(ubuntu: Ubuntu, seals: tuple[Seal, Seal]) -> None:
    own = f"{ubuntu.servers.server.url}/down"
    mirror = f"{ubuntu.servers.server.url}/cloud-images.ubuntu.com/releases"
    product = "com.ubuntu.cloud:server:{number}:{arch}"
    index = {"kind": "simplestreams", "url": own, "product": product, "item": "disk1.img"}
    ubuntu.servers.use("ubuntu", seals[0], index=index, mirrors={own: [mirror]})
    series = ubuntu.servers.series("ubuntu")["ubuntu-2604"]
    found = finding.newest(series, Asking(kept=ubuntu.servers.folder / "kept"))
    assert found.candidate.url.startswith(f"{own}/server/releases/resolute/release-20260725/")
    assert found.offer.vouched.endswith(f"signed by {seals[0].signer.fingerprint}")
    ubuntu.servers.put(f"{HOST}/streams/v1/index.sjson", Reply(status=404))
    with pytest.raises(InfrastructureError, match=r"/down/streams/v1/index\.json is not there"):
        finding.newest(series, Asking(kept=ubuntu.servers.folder / "kept"))


def test_the_package_with_the_keys_is_named(ubuntu: Ubuntu) -> None:
    ubuntu.servers.use("ubuntu")
    (ubuntu.servers.folder / "upstreams/keyrings/ubuntu-cloudimage-keyring.gpg").unlink()
    packaged = Path("/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg")
    if packaged.exists():
        # Then it is found there, and the test's own key is none of it.
        with pytest.raises(InfrastructureError, match="not in the keyring"):
            ubuntu.servers.newest("ubuntu", "ubuntu-2404")
        return
    with pytest.raises(UsageError, match="is not there") as missing:
        ubuntu.servers.newest("ubuntu", "ubuntu-2404")
    assert missing.value.hint == "apt-get install ubuntu-keyring"
