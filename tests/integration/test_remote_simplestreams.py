# SPDX-License-Identifier: GPL-2.0-or-later
"""simplestreams servers: Ubuntu's form, the form for Incus, and our own; signed and not.

The records are shaped as cloud-images.ubuntu.com and servers for Incus have them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.imports.offers import Remote
from builder.store.simplestreams import streams
from tests.integration.apiserver import Api, Reply, as_json, running, serve
from tests.integration.remoteworld import Seal, World, disk, make_world, not_kept, only, sha256
from tests.integration.signing import key_home
from tests.unit import stores

UBUNTU = "com.ubuntu.cloud:server:24.04:amd64"
CONTENT = "com.ubuntu.cloud:released:download"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def seals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seal, Seal]]:
    folder = tmp_path_factory.mktemp("keys")
    with key_home() as home:
        yield Seal.make(home, folder, "theirs"), Seal.make(home, folder, "stranger")


@dataclass
class Ubuntu:
    """A server with versions of one product; `put` writes all documents anew."""

    server: Api
    versions: dict[str, dict[str, Any]]
    updated: str = "Fri, 20 Nov 2026 07:42:00 +0000"

    def add(self, version: str, content: bytes, **more: Any) -> None:
        path = f"server/releases/noble/release-{version}/ubuntu-24.04-server-cloudimg-amd64.img"
        self.server.routes[f"/{path}"] = serve(content)
        item = {
            "ftype": "disk1.img",
            "md5": "0" * 32,
            "path": path,
            "sha256": sha256(content),
            "size": len(content),
        }
        manifest = {"ftype": "manifest", "path": path.replace(".img", ".manifest"), "size": 1}
        self.versions[version] = {
            "items": {"disk1.img": item | more, "manifest": manifest},
            "label": "release",
            "pubname": f"ubuntu-noble-24.04-amd64-server-{version}",
        }

    def documents(self, suffix: str) -> dict[str, dict[str, Any]]:
        path = f"streams/v1/{CONTENT}{suffix}"
        product = {"arch": "amd64", "os": "ubuntu", "release": "noble", "versions": self.versions}
        return {
            path: {
                "content_id": CONTENT,
                "datatype": "image-downloads",
                "format": "products:1.0",
                "updated": self.updated,
                "products": {UBUNTU: product},
            },
            f"streams/v1/index{suffix}": {
                "format": "index:1.0",
                "updated": self.updated,
                "index": {
                    "com.ubuntu.cloud:released:aws": {
                        "datatype": "image-ids",
                        "format": "products:1.0",
                        "path": "streams/v1/com.ubuntu.cloud:released:aws.json",
                    },
                    CONTENT: {
                        "datatype": "image-downloads",
                        "format": "products:1.0",
                        "path": path,
                        "products": [UBUNTU],
                        "updated": self.updated,
                    },
                },
            },
        }

    def put(self, seal: Seal | None = None) -> None:
        for path, content in self.documents(".sjson" if seal else ".json").items():
            text = as_json(content).content
            self.server.routes[f"/{path}"] = serve(seal.signer.clearsigned(text) if seal else text)

    def entry(self, seal: Seal | None = None, **more: Any) -> dict[str, Any]:
        image = {"name": "ubuntu-2404", "product": UBUNTU, "default_user": "ubuntu"} | more
        entry = {"kind": "simplestreams", "url": self.server.url, "images": [image]}
        return entry | ({"keyring": str(seal.keyring)} if seal else {})


@pytest.fixture
def ubuntu(tmp_path: Path) -> Iterator[Ubuntu]:
    with running() as server:
        made = Ubuntu(server, {})
        for version in ("20261101", "20261119.9", "20261119.10"):
            made.add(version, disk(tmp_path))
        made.put()
        yield made


def serials(remote: Remote) -> list[str]:
    return [offer.serial for offer in remote.offers()]


def test_the_newest_version_by_number_comes_with_its_manifest(world: World, ubuntu: Ubuntu) -> None:
    remote = world.remote(**ubuntu.entry())
    assert (remote.name, remote.url) == ("theirs", ubuntu.server.url)
    assert serials(remote) == ["20261101", "20261119.9", "20261119.10"]
    assert remote.offers("fedora-44") == ()
    newest = remote.offers("ubuntu-2404")[-1]
    assert "not signed" in newest.vouched
    folder, manifest = world.brought(remote, newest, "qcow2")
    assert (folder / "ubuntu-2404-20261119.10.qcow2").exists()
    origin = manifest.origin
    assert origin.url == f"{ubuntu.server.url}/" + (
        "server/releases/noble/release-20261119.10/ubuntu-24.04-server-cloudimg-amd64.img"
    )
    assert (origin.version, origin.signed_by) == ("20261119.10", "")
    assert origin.checksum == f"sha256:{newest.images[0].digest}"
    assert (manifest.distro, manifest.release, manifest.codename) == ("ubuntu", "2404", "noble")
    assert (manifest.arch, manifest.virtual_size) == ("amd64", 4 << 20)
    assert manifest.properties["image_original_user"] == "ubuntu"
    assert [each.verdict for each in manifest.checks] == ["passed"]
    with pytest.raises(UsageError, match="has ubuntu-2404-20261101 not as vhdx"):
        world.brought(remote, remote.offers()[0], "vhdx")


def test_signed_streams_count_as_far_as_they_are_signed(
    world: World, ubuntu: Ubuntu, seals: tuple[Seal, Seal]
) -> None:
    theirs, stranger = seals
    entry = ubuntu.entry(theirs)
    with pytest.raises(InfrastructureError, match=r"index.json.gpg is not there"):
        world.remote(**entry).offers()
    ubuntu.put(theirs)
    newest = world.remote(**entry).offers()[-1]
    assert newest.vouched.endswith(f"signed by {theirs.signer.fingerprint}")
    _, manifest = world.brought(world.remote(**entry), newest)
    assert manifest.origin.signed_by == theirs.signer.fingerprint
    ubuntu.put(stranger)
    with pytest.raises(InfrastructureError, match="not in the keyring"):
        world.remote(**entry).offers()
    ubuntu.put(theirs)
    # The index is signed, and what it names is not.
    unsigned = as_json(ubuntu.documents(".sjson")[f"streams/v1/{CONTENT}.sjson"])
    ubuntu.server.routes[f"/streams/v1/{CONTENT}.sjson"] = unsigned
    with pytest.raises(InfrastructureError, match="has no good signature"):
        world.remote(**entry).offers()


def test_the_older_form_has_its_signatures_beside_it(
    world: World, ubuntu: Ubuntu, seals: tuple[Seal, Seal]
) -> None:
    for path, content in ubuntu.documents(".json").items():
        text = as_json(content).content
        ubuntu.server.routes[f"/{path}.gpg"] = serve(seals[0].signer.detached(text))
    assert serials(world.remote(**ubuntu.entry(seals[0])))[-1] == "20261119.10"
    ubuntu.add("20261120", b"other")
    ubuntu.put()
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        world.remote(**ubuntu.entry(seals[0])).offers()


def test_an_index_that_was_rolled_back(world: World, ubuntu: Ubuntu) -> None:
    old = dict(ubuntu.server.routes)
    assert world.remote(**ubuntu.entry()).offers()
    ubuntu.updated = "Fri, 20 Nov 2026 08:00:00 +0000"
    ubuntu.put()
    assert world.remote(**ubuntu.entry()).offers()
    ubuntu.server.routes = old
    with pytest.raises(InfrastructureError, match=r"one of 2026-11-20 08:00 UTC was\s+seen") as no:
        world.remote(**ubuntu.entry()).offers()
    assert "remove" in no.value.hint


@pytest.mark.parametrize("hidden", ["index.sjson", f"{CONTENT}.sjson"])
def test_an_old_state_in_the_older_form(
    world: World, ubuntu: Ubuntu, seals: tuple[Seal, Seal], hidden: str
) -> None:
    theirs = seals[0]
    for path, content in ubuntu.documents(".json").items():
        text = as_json(content).content
        ubuntu.server.routes[f"/{path}.gpg"] = serve(theirs.signer.detached(text))
    ubuntu.updated = "Fri, 20 Nov 2026 08:00:00 +0000"
    ubuntu.put(theirs)
    assert world.remote(**ubuntu.entry(theirs)).offers()
    if hidden == "index.sjson":
        del ubuntu.server.routes[f"/streams/v1/{hidden}"]
    else:
        # The index is as new as it should be, and names the old form of the products.
        index = ubuntu.documents(".json")["streams/v1/index.json"]
        signed = theirs.signer.clearsigned(as_json(index).content)
        ubuntu.server.routes["/streams/v1/index.sjson"] = serve(signed)
    with pytest.raises(InfrastructureError, match=r"one of 2026-11-20 08:00 UTC was\s+seen"):
        world.remote(**ubuntu.entry(theirs)).offers()


def test_documents_are_not_downloaded_again(world: World, ubuntu: Ubuntu) -> None:
    remote = world.remote(**ubuntu.entry())
    first = remote.offers()
    assert remote.offers() == first
    again = ubuntu.server.log[2:]
    assert len(again) == 2
    assert all(asked.headers["If-None-Match"] for asked in again)


def test_items_for_incus_and_their_times(world: World, ubuntu: Ubuntu, tmp_path: Path) -> None:
    content = disk(tmp_path)
    ubuntu.server.routes["/images/a.qcow2"] = serve(content)
    item = {"path": "images/a.qcow2", "sha256": sha256(content), "size": len(content)}
    version = {
        "items": {
            "disk.qcow2": item | {"ftype": "disk-kvm.img"},
            "incus.tar.xz": {"ftype": "incus.tar.xz", "path": "images/a.tar.xz", "size": 1},
            "root.squashfs": item | {"ftype": "squashfs", "path": "images/a.squashfs"},
            "delta": item | {"ftype": "disk-kvm.img.vcdiff", "delta_base": "20261118_07:42"},
        }
    }
    ubuntu.versions.clear()
    ubuntu.versions |= {"20261119_07:42": version, "202611190743": version, "words": version}
    ubuntu.put()
    remote = world.remote(**ubuntu.entry())
    assert serials(remote) == ["20261119.742", "20261119.743"]
    assert [image.format for image in remote.offers()[0].images] == ["qcow2"]
    world.brought(remote, remote.offers()[0])
    named = world.remote(**ubuntu.entry(item="squashfs"))
    with pytest.raises(UsageError, match="is of no known format"):
        named.offers()
    chosen = world.remote(**ubuntu.entry(item="disk.qcow2")).offers()[0]
    assert only(chosen.images).name == "a.qcow2"


def test_the_disk_with_the_common_kernel_is_taken(world: World, ubuntu: Ubuntu) -> None:
    for items in (version["items"] for version in ubuntu.versions.values()):
        items["kvm.img"] = items["disk1.img"] | {"ftype": "disk-kvm.img", "path": "kvm.img"}
    first = ubuntu.versions["20261101"]
    first["items"] = dict(reversed(first["items"].items()))
    ubuntu.put()
    for offer in world.remote(**ubuntu.entry()).offers():
        assert only(offer.images).name == "ubuntu-24.04-server-cloudimg-amd64.img"
    chosen = world.remote(**ubuntu.entry(item="disk-kvm.img")).offers()[-1]
    assert only(chosen.images).name == "kvm.img"


def test_our_own_streams_can_be_read(world: World, tmp_path: Path) -> None:
    ours = stores.publisher(tmp_path)
    content = disk(tmp_path)
    for number in ("", *(f".{number}" for number in range(1, 12))):
        serial = f"20261119{number}"
        tarball = {f"debian-13-{serial}.incus.tar.xz": b"metadata"}
        built = stores.build(tmp_path / "out", serial, image=content, more=tarball)
        stores.put(ours, built)
    index = ours.current()
    assert index is not None
    with running() as server:
        for path, text in streams(index):
            server.routes[f"/{path}"] = serve(text)
        for file in (tmp_path / "store").rglob("*.qcow2"):
            relative = file.relative_to(tmp_path / "store")
            server.routes[f"/{relative}"] = serve(file.read_bytes())
        product = only(json.loads(streams(index)[0][1])["products"])
        products = [{"name": "debian-13", "product": product}]
        remote = world.remote(kind="simplestreams", url=server.url, images=products)
        assert serials(remote)[-2:] == ["20261119.10", "20261119.11"]
        world.brought(remote, remote.offers()[-1], "qcow2")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "sha256 of another": ({"sha256": "0" * 64}, "its sha256 is another"),
    "another size": ({"size": 7}, "should have 7"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_images_that_are_not_what_the_index_says(
    world: World, ubuntu: Ubuntu, tmp_path: Path, fault: str
) -> None:
    more, words = FAULTS[fault]
    ubuntu.add("20261120", disk(tmp_path), **more)
    ubuntu.put()
    remote = world.remote(**ubuntu.entry())
    with pytest.raises(InfrastructureError, match=words):
        world.brought(remote, remote.offers()[-1])
    assert not_kept(world) == []


def test_a_product_that_vanished_does_not_stop_the_others(
    world: World, ubuntu: Ubuntu, caplog: pytest.LogCaptureFixture
) -> None:
    entry = ubuntu.entry()
    entry["images"].append(
        {"name": "ubuntu-1804", "product": "com.ubuntu.cloud:server:18.04:amd64"}
    )
    remote = world.remote(**entry)
    assert {offer.name for offer in remote.offers()} == {"ubuntu-2404"}
    assert "has no product com.ubuntu.cloud:server:18.04:amd64" in caplog.text
    with pytest.raises(InfrastructureError, match="has no product"):
        remote.offers("ubuntu-1804")


def test_an_item_of_no_known_format_takes_no_other_with_it(
    world: World, ubuntu: Ubuntu, caplog: pytest.LogCaptureFixture
) -> None:
    entry = ubuntu.entry()
    entry["images"].insert(0, entry["images"][0] | {"name": "ubuntu-odd", "item": "manifest"})
    remote = world.remote(**entry)
    assert {offer.name for offer in remote.offers()} == {"ubuntu-2404"}
    assert "theirs: ubuntu-odd is left out: the item manifest of" in caplog.text
    with pytest.raises(UsageError, match="is of no known format"):
        remote.offers("ubuntu-odd")


def test_an_older_version_hides_no_newer_one(
    world: World, ubuntu: Ubuntu, caplog: pytest.LogCaptureFixture
) -> None:
    ubuntu.add("20261119.9", b"", size=-1)
    ubuntu.put()
    assert serials(world.remote(**ubuntu.entry())) == ["20261101", "20261119.10"]
    assert "theirs: 20261119.9 is left out" in caplog.text
    ubuntu.add("20261119.10", b"", size=-1)
    ubuntu.put()
    with pytest.raises(InfrastructureError, match="size"):
        world.remote(**ubuntu.entry()).offers()


def test_a_page_in_place_of_an_image(world: World, ubuntu: Ubuntu) -> None:
    page = b"<html><title>Maintenance</title></html>"
    ubuntu.add("20261120", page)
    ubuntu.put()
    remote = world.remote(**ubuntu.entry())
    with pytest.raises(InfrastructureError, match="is a document, and no image"):
        world.brought(remote, remote.offers()[-1])
    ubuntu.add("20261120", b"#!/bin/sh\n")
    ubuntu.put()
    remote = world.remote(**ubuntu.entry())
    with pytest.raises(InfrastructureError, match="is no qcow2: it begins in another way"):
        world.brought(remote, remote.offers()[-1])
    assert not_kept(world) == []


@pytest.mark.parametrize(
    ("path", "reply", "words"),
    [
        ("index.json", Reply(endless=True), "larger than it may be"),
        ("index.json", Reply(b"<html>"), "is no JSON document"),
        ("index.json", as_json({"format": "index:2.0", "index": {}}), "format"),
        ("index.json", as_json({"format": "index:1.0", "index": {}}), "has no product"),
        ("index.json", Reply(status=404), "is not there"),
        (f"{CONTENT}.json", as_json({"products": {UBUNTU: {"versions": 1}}}), "versions"),
        (f"{CONTENT}.json", as_json({"products": {}}), f"has no product {UBUNTU}"),
        (f"{CONTENT}.json", as_json({"updated": "x", "products": {}}), "a time that is none"),
    ],
)
def test_nonsense_is_told_as_such(
    world: World,
    ubuntu: Ubuntu,
    path: str,
    reply: Reply,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("builder.downloads.documents.LARGEST", 1 << 20)
    ubuntu.server.routes[f"/streams/v1/{path}"] = reply
    with pytest.raises(InfrastructureError, match=words):
        world.remote(**ubuntu.entry()).offers()


def test_paths_stay_below_the_server(world: World, ubuntu: Ubuntu, tmp_path: Path) -> None:
    for path in ("../other.img", "//elsewhere/x.img", "/etc/passwd", "a/./b.img", "a\\b"):
        ubuntu.add("20261120", disk(tmp_path), path=path)
        ubuntu.put()
        with pytest.raises(InfrastructureError, match="is no path below a URL"):
            world.remote(**ubuntu.entry()).offers()
