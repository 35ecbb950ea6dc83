# SPDX-License-Identifier: GPL-2.0-or-later
"""Any web server, by URLs with the version in them: lists of all kinds, signatures, and disks."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder.downloads import files
from builder.errors import InfrastructureError, UsageError
from builder.facility.site import Site
from builder.imports import bringing, inspecting
from builder.imports.offers import Offer
from builder.manifest.imported import Imported
from builder.progress import NoProgress
from tests.integration.apiserver import Api, Reply, running, serve
from tests.integration.remoteworld import Seal, World, disk, make_world, not_kept, only, sha256
from tests.integration.signing import key_home

VERSION = "10.2-20261119.10"
NAME = f"AlmaLinux-{VERSION}.x86_64.qcow2"
LISTING = b"""<a href="latest/">latest/</a>
<a href="AlmaLinux-10.2-20261119.9.x86_64.qcow2">a</a>
<a href="AlmaLinux-10.2-20261119.10.x86_64.qcow2">b</a>
<a href="AlmaLinux-latest.x86_64.qcow2">c</a>
<a href="AlmaLinux-9.8-20261120.x86_64.qcow2">d</a>
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(files, "PAUSE", 0.0)
    return make_world(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[Api]:
    with running() as made:
        made.routes["/images/"] = serve(LISTING, "text/html")
        made.routes["/images/index"] = serve(LISTING)
        yield made


def entry(server: Api, **more: Any) -> dict[str, Any]:
    image = {
        "name": "alma-10",
        "file": "AlmaLinux-{version}.{arch}.qcow2",
        "arch": "x86_64",
        "default_user": "almalinux",
    }
    return {
        "kind": "url",
        "url": f"{server.url}/images/",
        "versions": "index",
        "version": r"AlmaLinux-(?P<version>[0-9.]+-[0-9.]+)\.x86_64\.qcow2",
        "images": [image | more.pop("image", {})],
    } | more


def brought(world: World, server: Api, **more: Any) -> tuple[Offer, Imported]:
    remote = world.remote(**entry(server, **more))
    offer = only(remote.offers())
    return offer, world.brought(remote, offer)[1]


LISTS: dict[str, Callable[[str, bytes], str]] = {
    "SHA256SUMS": lambda name, content: f"{sha256(content)} *{name}\n",
    "SHA512SUMS": lambda name, content: f"{hashlib.sha512(content).hexdigest()}  ./{name}\n",
    "CHECKSUM": lambda name, content: f"# {name}: 9 bytes\nSHA256 ({name}) = {sha256(content)}\n",
    "{version}/CHECKSUM": lambda name, content: f"SHA256 ({name}) = {sha256(content)}\n",
    NAME.replace(VERSION, "{version}") + ".sha512": (
        lambda _, content: hashlib.sha512(content).hexdigest()
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_all_kinds(world: World, server: Api, tmp_path: Path, name: str) -> None:
    content = disk(tmp_path)
    server.routes[f"/images/{NAME}"] = serve(content)
    text = f"# a comment\n{LISTS[name](NAME, content)}".encode()
    server.routes[f"/images/{name.replace('{version}', VERSION)}"] = serve(text)
    offer, manifest = brought(world, server, checksums=name)
    assert (offer.version, offer.serial) == (VERSION, "20261119.10")
    assert "not signed" in manifest.origin.vouched
    algorithm = "sha512" if "512" in name else "sha256"
    digest = hashlib.new(algorithm, content).hexdigest()
    assert manifest.origin.checksum == f"{algorithm}:{digest}"
    assert manifest.origin.url == f"{server.url}/images/{NAME}"
    assert manifest.properties["os_distro"] == "almalinux"


def test_files_in_folders(world: World, server: Api, tmp_path: Path) -> None:
    content = disk(tmp_path)
    server.routes[f"/images/{VERSION}/cloud/{NAME}"] = serve(content)
    image = {"file": "{version}/cloud/AlmaLinux-{version}.{arch}.qcow2"}
    for place, name in (
        (f"{VERSION}/cloud/CHECKSUM", NAME),
        (f"{VERSION}/CHECKSUM", f"cloud/{NAME}"),
        ("sums/CHECKSUM", NAME),
    ):
        server.routes[f"/images/{place}"] = serve(f"{sha256(content)}  {name}\n".encode())
        offer, _ = brought(
            world, server, image=image, checksums=place.replace(VERSION, "{version}")
        )
        assert only(offer.images).digest == sha256(content)
    server.routes["/images/CHECKSUM"] = serve(f"{sha256(content)}  other/{NAME}\n".encode())
    with pytest.raises(InfrastructureError, match="has no line for"):
        brought(world, server, image=image, checksums="CHECKSUM")


def test_an_image_without_a_line_takes_no_other_with_it(
    world: World, server: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed = f"{sha256(disk(tmp_path))}  {NAME}\n".encode()
    server.routes["/images/CHECKSUM"] = serve(listed)
    both = entry(server, checksums="CHECKSUM")
    other = both["images"][0] | {"name": "alma-10-arm64", "arch": "aarch64"}
    both["images"].insert(0, other)
    remote = world.remote(**both)
    assert [offer.name for offer in remote.offers()] == ["alma-10"]
    assert "theirs: alma-10-arm64 is left out: CHECKSUM of" in caplog.text
    with pytest.raises(InfrastructureError, match="has no line for"):
        remote.offers("alma-10-arm64")
    server.routes["/images/CHECKSUM"] = serve(listed.replace(b"x86", b"y86"))
    with pytest.raises(InfrastructureError, match="has no line for"):
        remote.offers()


def test_without_a_list_only_the_server_vouches(world: World, server: Api) -> None:
    server.routes["/images/plain.raw"] = Reply(
        os.urandom(1 << 20), headers={"Last-Modified": "Fri, 20 Nov 2026 07:42:00 GMT"}
    )
    offer, manifest = brought(world, server, image={"file": "plain.raw"}, version="10.2")
    assert (offer.version, offer.serial) == ("10.2", "20261120.742")
    assert (manifest.origin.checksum, manifest.virtual_size) == ("", 1 << 20)
    assert "no digest is published" in manifest.origin.vouched
    server.routes["/images/plain.raw"] = serve(b"x" * 512)
    with pytest.raises(InfrastructureError, match="tells a day"):
        brought(world, server, image={"file": "plain.raw"}, version="10.2")


@pytest.mark.parametrize("clearsigned", [True, False])
def test_signatures(world: World, server: Api, tmp_path: Path, *, clearsigned: bool) -> None:
    content = disk(tmp_path)
    server.routes[f"/images/{NAME}"] = serve(content)
    listed = f"{sha256(content)}  {NAME}\n".encode()
    with key_home() as home:
        seal = Seal.make(home, tmp_path, "theirs")
        signed = seal.signer.clearsigned(listed)
        server.routes["/images/CHECKSUM"] = serve(signed if clearsigned else listed)
        server.routes["/images/CHECKSUM.asc"] = serve(seal.signer.detached(listed))
        words: dict[str, Any] = {
            "checksums": "CHECKSUM",
            "signature": "CHECKSUM" if clearsigned else "CHECKSUM.asc",
            "keyring": str(seal.keyring),
        }
        _, manifest = brought(world, server, **words)
        assert manifest.origin.signed_by == seal.signer.fingerprint
        # Around the signed text there may be anything; it does not count.
        forged = f"{'0' * 64}  {NAME}\n".encode()
        server.routes["/images/CHECKSUM"] = serve(forged + signed if clearsigned else forged)
        if clearsigned:
            offer = only(world.remote(**entry(server, **words)).offers())
            assert only(offer.images).digest == sha256(content)
        else:
            with pytest.raises(InfrastructureError, match="was changed after it was signed"):
                brought(world, server, **words)
        del server.routes["/images/CHECKSUM"]
        with pytest.raises(InfrastructureError, match="is not there"):
            brought(world, server, **words)


def test_a_clearsigned_list_needs_its_keyring(world: World, server: Api, tmp_path: Path) -> None:
    with key_home() as home:
        seal = Seal.make(home, tmp_path, "theirs")
        text = seal.signer.clearsigned(f"{'0' * 64}  {NAME}\n".encode())
        server.routes["/images/CHECKSUM"] = serve(text)
        with pytest.raises(InfrastructureError, match="its signature was not verified"):
            brought(world, server, checksums="CHECKSUM")


def test_a_token_is_a_bearer_s(
    world: World, server: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = ("Authorization", "Bearer s3cr3t")
    server.routes[f"/images/{NAME}"] = serve(disk(tmp_path))
    monkeypatch.setenv("IMAGES_TOKEN", "s3cr3t")
    brought(world, server, token={"env": "IMAGES_TOKEN"})
    with pytest.raises(InfrastructureError, match="wants a login"):
        brought(world, server)


def test_versions_are_versions(world: World, server: Api) -> None:
    server.routes["/images/index"] = serve(b"AlmaLinux-../../x.x86_64.qcow2")
    with pytest.raises(InfrastructureError, match="tells no version"):
        brought(world, server, version="Alma(?P<version>.*)x86")
    with pytest.raises(UsageError, match="is no regular expression"):
        brought(world, server, version="(")
    with pytest.raises(UsageError, match="is no path below a URL"):
        brought(world, server, version="Linux", image={"file": "../{version}"})
    with pytest.raises(UsageError, match="is no https URL"):
        world.remote(**entry(server) | {"url": "http://192.0.2.1/"})


def qcow2(folder: Path, *words: str) -> bytes:
    made = folder / "made.qcow2"
    made.unlink(missing_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words], check=True)
    return made.read_bytes()


def crafted(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Disks that are not what they should be, and what is said of them."""
    made, secret = str(folder / "made.qcow2"), folder / "secret"
    secret.write_bytes(b"x" * 4096)
    data = str(folder / "data")
    whole = disk(folder)
    table = struct.unpack(">Q", whole[40:48])[0]
    return {
        "backing": (qcow2(folder, "-b", str(secret), "-F", "raw", made), "names a backing file"),
        "external": (qcow2(folder, "-o", f"data_file={data}", made, "1M"), "external data file"),
        "version": (whole[:4] + b"\0\0\0\x09" + whole[8:], "of version 9"),
        "damaged": (whole[:table] + b"\x80" + b"\x11" * 7 + whole[table + 8 :], "damaged|no qcow2"),
        "short": (whole[:60], "is no qcow2 image"),
        "raw": (secret.read_bytes(), "it begins in another way"),
    }


@pytest.mark.parametrize("kind", ["backing", "external", "version", "damaged", "short", "raw"])
def test_disks_that_are_no_whole_image(
    world: World, server: Api, tmp_path: Path, kind: str
) -> None:
    content, words = crafted(tmp_path)[kind]
    server.routes[f"/images/{NAME}"] = serve(content)
    server.routes["/images/CHECKSUM"] = serve(f"{sha256(content)}  {NAME}\n".encode())
    with pytest.raises(InfrastructureError, match=words):
        brought(world, server, checksums="CHECKSUM")
    assert not_kept(world) == []


@pytest.mark.parametrize("kind", ["backing", "external", "version", "short"])
def test_qemu_img_opens_nothing_that_names_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    content, words = crafted(tmp_path)[kind]
    file = tmp_path / "image.qcow2"
    file.write_bytes(content)
    monkeypatch.setattr(inspecting, "_qemu_img", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InfrastructureError, match=words):
        inspecting.inspect(file, "qcow2")


def test_a_vmdk_of_many_files_is_refused(tmp_path: Path) -> None:
    raw, whole, flat = tmp_path / "raw", tmp_path / "whole.vmdk", tmp_path / "flat.vmdk"
    raw.write_bytes(os.urandom(1 << 20))
    for made, kind in ((whole, "streamOptimized"), (flat, "monolithicFlat")):
        options = ["-f", "raw", "-O", "vmdk", "-o", f"subformat={kind}"]
        subprocess.run(["qemu-img", "convert", *options, str(raw), str(made)], check=True)
    assert inspecting.inspect(whole, "vmdk").virtual_size == 1 << 20
    assert inspecting.looks("vmdk")(whole.read_bytes()[:64]) == ""
    assert "begins in another way" in inspecting.looks("vmdk")(flat.read_bytes()[:64])
    with pytest.raises(InfrastructureError, match="begins in another way"):
        inspecting.inspect(flat, "vmdk")
    # Where the header does not tell it, qemu-img does.
    told = inspecting._info(flat, "vmdk")["format-specific"]["data"]
    with pytest.raises(InfrastructureError, match="names other files"):
        inspecting._check_details(flat, told)


def test_a_raw_disk_that_pretends(world: World, server: Api, tmp_path: Path) -> None:
    server.routes[f"/images/{NAME}"] = serve(disk(tmp_path))
    with pytest.raises(InfrastructureError, match="begins as another format does"):
        brought(world, server, image={"format": "raw"})


def test_a_broken_call_is_taken_up(world: World, server: Api, tmp_path: Path) -> None:
    content = disk(tmp_path)
    server.routes[f"/images/{NAME}"] = serve(content)
    server.routes["/images/CHECKSUM"] = serve(f"{sha256(content)}  {NAME}\n".encode())
    remote = world.remote(**entry(server, checksums="CHECKSUM"))
    offer = only(remote.offers())
    server.hurdles = [serve(content, cut=50_000), Reply(status=400)]
    with pytest.raises(InfrastructureError, match="answers 400"):
        world.brought(remote, offer)
    assert not_kept(world) == []
    folder = world.folder / "brought" / str(offer)
    told: list[int] = []
    done = remote.bring(offer, ["qcow2"], folder, told.append)
    assert (done.transferred, done.how) == (len(content) - 50_000, "whole")
    assert sum(told) == len(content)
    # A later call finds all of it there, and its manifest does not tell another time.
    manifest = folder / f"{offer}.manifest.json"
    first = re.sub(r'(?<="retrieved": ")[0-9-]+', "2026-11-01", manifest.read_text())
    manifest.write_text(first)
    assert remote.bring(offer, ["qcow2"], folder, told.append).transferred == 0
    assert manifest.read_text() == first


def test_leftovers_of_a_replaced_file_go(world: World, server: Api, tmp_path: Path) -> None:
    old, new = disk(tmp_path), disk(tmp_path)
    for left in ((), (".",), ("",), ("", ".")):
        server.routes[f"/images/{NAME}"] = serve(new)
        server.routes["/images/CHECKSUM"] = serve(f"{sha256(new)}  {NAME}\n".encode())
        remote = world.remote(**entry(server, checksums="CHECKSUM"))
        offer = only(remote.offers())
        for hidden in left:
            path = world.folder / "brought" / str(offer) / f"{hidden}{offer}.qcow2"
            path.write_bytes(old)
        folder, _ = world.brought(remote, offer)
        assert (folder / f"{offer}.qcow2").read_bytes() == new


def test_nothing_has_its_name_before_it_was_looked_at(
    world: World, server: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.routes[f"/images/{NAME}"] = serve(disk(tmp_path))
    seen: list[list[str]] = []

    def look(path: Path, form: str) -> inspecting.Inspected:
        seen.append(not_kept(world))
        return inspect(path, form)

    inspect = inspecting.inspect
    monkeypatch.setattr(inspecting, "inspect", look)
    brought(world, server)
    assert seen == [[]]


def test_two_at_once_in_one_folder(world: World, server: Api, tmp_path: Path) -> None:
    server.routes[f"/images/{NAME}"] = serve(disk(tmp_path))
    remote = world.remote(**entry(server))
    offer, folder = only(remote.offers()), tmp_path / "folder"
    with (
        bringing._alone(folder),
        pytest.raises(InfrastructureError, match="another process brings an image into"),
    ):
        remote.bring(offer, ["qcow2"], folder, lambda _: None)
    assert remote.bring(offer, ["qcow2"], folder, lambda _: None).how == "whole"
    other = replace(offer, name="alma-9")
    with pytest.raises(UsageError, match="the remote theirs has no image alma-9"):
        remote.bring(other, ["qcow2"], folder, lambda _: None)


def test_what_was_brought_is_taken_into_the_site_s_store(
    world: World, server: Api, tmp_path: Path
) -> None:
    server.routes[f"/images/{NAME}"] = serve(disk(tmp_path))
    with key_home() as home:
        world = World(world.folder, home.make("lab"))
        remote = world.remote(**entry(server))
        offer = only(remote.offers())
        folder, manifest = world.brought(remote, offer)
        store = Site.read(world.folder / "facility.yaml").store
        (world.folder / "images").mkdir()
        now, origin = datetime.now(UTC), manifest.origin.url
        done = store.admit(folder, offer.channel, now, NoProgress(), origin=origin)
        again = store.admit(folder, offer.channel, now, NoProgress(), origin=origin)
        assert (done.answer, again.answer) == ("published", "unchanged")
        found = store.entry("alma-10")
        assert found is not None
        assert (found.distro, found.builds[-1].origin) == ("alma", origin)
        assert only(found.builds[-1].images).name == f"{offer}.qcow2"
