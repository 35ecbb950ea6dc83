# SPDX-License-Identifier: GPL-2.0-or-later
"""Alpine Linux: branches, images with a digest and a signature of their own, and where keys are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.downloads.client import Absent
from builder.downloads.pieces import WrongContent
from builder.errors import InfrastructureError, UsageError
from builder.imports.vouching import signer_of
from builder.upstream import detached, finding, signing
from builder.upstream.finding import Found
from tests.integration.apiserver import serve
from tests.integration.remoteworld import Seal
from tests.integration.upstreams import Upstreams, recorded, told, upstreams

TOP = "https://dl-cdn.alpinelinux.org/alpine/"
NEWEST = f"{TOP}latest-stable/releases/x86_64/latest-releases.yaml"
KEYS = "https://alpinelinux.org/keys/tomalok.asc"
# As recorded.
NAME = "nocloud_alpine-3.23.4-x86_64-uefi-cloudinit-r0.qcow2"
ITS_SHA512 = "849196e26640b33fb1f106d46cebdf34"


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        made.use("alpine")
        yield made


def media(branch: str) -> str:
    return f"---\n-\n  title: Virtual\n  branch: {branch}\n  version: 3.13.5\n  date: 2021-04-14\n"


def put_branch(servers: Upstreams, branch: str, *versions: str, arch: str = "x86_64") -> None:
    """The cloud images of a branch, such as 3.24.1-r0, each with its digest."""
    folder, names = f"{TOP}v{branch}/releases/cloud/", []
    for each in versions:
        number, _, respin = each.partition("-")
        for form in ("uefi-cloudinit", "uefi-tiny", "bios-cloudinit"):
            name = f"nocloud_alpine-{number}-{arch}-{form}-{respin}.qcow2"
            names += [name, f"{name}.asc", f"{name}.sha512", f"aws_{name[8:]}"]
            servers.put(f"{folder}{name}.sha512", f"{hashlib.sha512(name.encode()).hexdigest()}\n")
    servers.page(folder, *names)


def image(version: str, arch: str = "x86_64") -> tuple[str, str, str]:
    """What is to be found of a version."""
    number, _, respin = version.partition("-")
    name = f"nocloud_alpine-{number}-{arch}-uefi-cloudinit-{respin}.qcow2"
    branch = ".".join(number.split(".")[:2])
    digest = hashlib.sha512(name.encode()).hexdigest()
    return f"{TOP}v{branch}/releases/cloud/{name}", f"sha512:{digest}", "20260601.1230"


def test_the_recorded_digest_is_that_of_the_newest(servers: Upstreams) -> None:
    servers.put(NEWEST, media("v3.23"))
    folder = f"{TOP}v3.23/releases/cloud/"
    servers.page(folder, NAME, NAME.replace("3.23.4", "3.23.3"))
    servers.put(f"{folder}{NAME}.sha512", recorded(f"derived/{NAME}.sha512"))
    found = servers.newest("alpine", "alpine-3.23")
    url, digest, serial = told(found)
    assert (url, serial) == (f"{folder}{NAME}", "20260601.1230")
    assert digest.startswith(f"sha512:{ITS_SHA512}")
    assert found.offer.version == "3.23.4.r0"
    assert "not signed" in found.offer.vouched, "nobody has verified the image yet"


def test_the_recorded_list_of_media_tells_the_branch(servers: Upstreams) -> None:
    servers.put(NEWEST, recorded("alpine/v3.13-x86-latest-releases.yaml"))
    put_branch(servers, "3.13", "3.13.5-r0")
    assert set(servers.series("alpine")) == {"alpine-3.13", "alpine-3.13-arm64"}


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize(
    ("versions", "best"),
    [
        (["3.10.9-r0", "3.10.10-r0"], "3.10.10-r0"),
        (["3.10.1-r9", "3.10.1-r10"], "3.10.1-r10"),
        (["3.10.2-r0", "3.10.1-r11"], "3.10.2-r0"),
    ],
)
def test_numbers_count_as_numbers(
    servers: Upstreams, versions: list[str], best: str, *, newest: bool
) -> None:
    index = {"kind": "alpine", "url": TOP} | ({"newest": NEWEST} if newest else {})
    servers.use("alpine", index=index)
    servers.put(NEWEST, media("v3.10"))
    servers.page(TOP, "v3.9/", "v3.10/", "edge/", "latest-stable/", "v3/", "last-updated")
    put_branch(servers, "3.9", "3.9.11-r9")
    put_branch(servers, "3.10", *versions)
    assert set(servers.series("alpine")) == {"alpine-3.10", "alpine-3.10-arm64"}
    assert told(servers.newest("alpine", "alpine-3.10")) == image(best)


def test_the_other_architecture(servers: Upstreams) -> None:
    servers.put(NEWEST, media("v3.24"))
    put_branch(servers, "3.24", "3.24.1-r0", arch="aarch64")
    found = servers.newest("alpine", "alpine-3.24-arm64")
    assert told(found) == image("3.24.1-r0", "aarch64")


@pytest.mark.parametrize("empty", [True, False])
def test_a_branch_without_images_does_not_count_yet(servers: Upstreams, *, empty: bool) -> None:
    servers.put(NEWEST, media("v3.25"))
    servers.page(TOP, "v3.23/", "v3.24/", "v3.25/")
    put_branch(servers, "3.24", "3.24.1-r0")
    if empty:
        put_branch(servers, "3.25")
    assert "alpine-3.24" in servers.series("alpine")


def test_the_two_newest_branches(servers: Upstreams) -> None:
    servers.use("alpine", newest={"of": "index", "count": 2})
    servers.put(NEWEST, media("v3.24"))
    servers.page(TOP, "v3.9/", "v3.23/", "v3.24/")
    for branch in ("3.9", "3.23", "3.24"):
        put_branch(servers, branch, f"{branch}.1-r0")
    assert {name for name in servers.series("alpine") if "arm64" not in name} == {
        "alpine-3.23",
        "alpine-3.24",
    }


def test_a_folder_that_has_vanished(servers: Upstreams) -> None:
    servers.put(NEWEST, media("v3.24"))
    put_branch(servers, "3.24", "3.24.1-r0")
    series = servers.series("alpine")["alpine-3.24"]
    servers.server.routes.pop("/dl-cdn.alpinelinux.org/alpine/v3.24/releases/cloud/")
    with pytest.raises(Absent, match="vanished"):
        finding.newest(series, servers.asking())


@pytest.mark.parametrize(
    "content",
    ["<html>\n<body>: out of order</html>", "- branch", "a: 1", "- {a: 1}", "[" * 5000, "&a [*a]"],
)
def test_a_page_in_place_of_the_media(servers: Upstreams, content: str) -> None:
    servers.put(NEWEST, serve(content.encode(), "text/html"))
    with pytest.raises(InfrastructureError, match=r"latest-releases\.yaml"):
        servers.series("alpine")


def test_a_digest_of_another_length(servers: Upstreams) -> None:
    servers.put(NEWEST, media("v3.24"))
    put_branch(servers, "3.24", "3.24.1-r0")
    url = image("3.24.1-r0")[0]
    servers.put(f"{url}.sha512", hashlib.sha256(b"").hexdigest())
    with pytest.raises(InfrastructureError, match="no digest by sha512"):
        servers.newest("alpine", "alpine-3.24")


def sealed(servers: Upstreams, pinned: Seal) -> Found:
    """A version found; the signature over its image is by a key that is pinned by fingerprint."""
    signature = {
        "over": "image",
        "file": "{file}.asc",
        "keyring": "nobody-has-it.asc",
        "source": KEYS,
        "keys": [pinned.signer.fingerprint],
    }
    servers.use("alpine", signature=signature)
    servers.put(NEWEST, media("v3.24"))
    put_branch(servers, "3.24", "3.24.1-r0")
    return servers.newest("alpine", "alpine-3.24")


def test_keys_are_asked_for_at_their_makers(servers: Upstreams, seals: tuple[Seal, Seal]) -> None:
    found = sealed(servers, seals[0])
    servers.put(KEYS, seals[0].keyring.read_bytes())
    signature = found.series.traits.signature
    assert signature is not None
    ring = signing.keyring(signature, found.series, servers.asking())
    signer = ring.verify(b"image", seals[0].signer.detached(b"image"), "the image")
    assert signing.pinned(signer, signature, "the image") == seals[0].signer.fingerprint
    with pytest.raises(InfrastructureError, match="changed after it was signed"):
        ring.verify(b"imagf", seals[0].signer.detached(b"image"), "the image")
    with pytest.raises(UsageError, match="is not there"):
        signing.keyring(signature, found.series)


def test_whoever_answers_with_keys_has_to_have_the_pinned_one(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    found = sealed(servers, seals[0])
    servers.put(KEYS, seals[1].keyring.read_bytes())
    signature = found.series.traits.signature
    assert signature is not None
    ring = signing.keyring(signature, found.series, servers.asking())
    signer = ring.verify(b"image", seals[1].signer.detached(b"image"), "the image")
    with pytest.raises(InfrastructureError, match="not one of those that are pinned"):
        signing.pinned(signer, signature, "the image")


def test_an_image_is_verified_with_keys_of_its_makers(
    servers: Upstreams, seals: tuple[Seal, Seal], tmp_path: Path
) -> None:
    found, here = sealed(servers, seals[0]), tmp_path / "image"
    here.write_bytes(b"image")
    servers.put(KEYS, seals[0].keyring.read_bytes())
    servers.put(f"{found.candidate.url}.asc", seals[0].signer.detached(b"image"))
    vouch = detached.vouch(found, servers.asking())
    assert vouch is not None
    assert signer_of(vouch(here)) == seals[0].signer.fingerprint
    servers.put(f"{found.candidate.url}.asc", seals[1].signer.detached(b"image"))
    vouch = detached.vouch(found, servers.asking())
    assert vouch is not None
    with pytest.raises(WrongContent, match="not in the keyring"):
        vouch(here)
