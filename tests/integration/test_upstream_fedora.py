# SPDX-License-Identifier: GPL-2.0-or-later
"""Fedora: releases.json as it was once, and the list of Fedora 44 with its makers' signature."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from builder.errors import InfrastructureError
from tests.integration.apiserver import Reply, serve
from tests.integration.remoteworld import Seal
from tests.integration.upstreams import RECORDED, Upstreams, recorded, told

INDEX = "https://fedoraproject.org/releases.json"
LINUX = "https://download.fedoraproject.org/pub/fedora/linux/releases"
COMPOSE = "https://kojipkgs.fedoraproject.org/compose/{0}/latest-Fedora-{0}/compose/metadata/"
SIGNED = "Fedora-Cloud-44-1.7-aarch64-CHECKSUM"
KEY = "36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6"
# Of Fedora 40 for x86_64, and of 44 for aarch64, as recorded.
OF_40 = "ac58f3c35b73272d5986fa6d3bc44fd246b45df4c334e99a07b3bbd00684adee"
OF_44 = "55c60a3b80d3616a08705afd0459e75fe9f03c54aba7a46e4002a41a72fa0d5b"
CHANGED = "Tue, 28 Apr 2026 12:34:56 GMT"


def row(number: str, name: str, arch: str = "x86_64", **more: Any) -> dict[str, Any]:
    folder = f"test/{number.replace(' ', '_')}" if " " in number else number
    link = f"{LINUX}/{folder}/Cloud/{arch}/images/{name}"
    known = {"version": number, "arch": arch, "link": link, "size": "397475840"}
    return known | {"variant": "Cloud", "subvariant": "Cloud_Base"} | more


def put_list(servers: Upstreams, seal: Seal, link: str, version: str, digest: str) -> None:
    """A clearsigned list beside an image, and the image with a time."""
    folder, _, name = link.rpartition("/")
    text = f"# {name}: 1 bytes\nSHA256 ({name}) = {digest}\n".encode()
    arch = "aarch64" if "aarch64" in name else "x86_64"
    servers.put(f"{folder}/Fedora-Cloud-{version}-{arch}-CHECKSUM", seal.signer.clearsigned(text))
    servers.put(link, Reply(b"image", headers={"Last-Modified": CHANGED}))


def put_compose(servers: Upstreams, release: str, label: str, day: str, **image: Any) -> None:
    folder = COMPOSE.format(release)
    compose = {"id": f"Fedora-{release}-{day}.0", "date": day, "respin": 0, "label": label}
    servers.put(f"{folder}composeinfo.json", json.dumps({"payload": {"compose": compose}}))
    images = {"Cloud": {"x86_64": [image] if image else []}}
    servers.put(f"{folder}images.json", json.dumps({"payload": {"images": images}}))


def test_the_newest_of_the_recorded_list(servers: Upstreams, seals: tuple[Seal, Seal]) -> None:
    servers.use("fedora", seals[0])
    servers.put(INDEX, recorded("containerdisks/fedora/releases.json"))
    name = "Fedora-Cloud-Base-Generic.x86_64-40-1.14.qcow2"
    link = f"{LINUX}/40/Cloud/x86_64/images/{name}"
    put_list(servers, seals[0], link, "40-1.14", OF_40)
    put_compose(servers, "40", "RC-1.14", "20240419")
    # There are 39, 40 and a beta of 41 in it.
    assert set(servers.series("fedora")) == {"fedora-40", "fedora-40-arm64"}
    found = servers.newest("fedora", "fedora-40")
    assert told(found) == (link, f"sha256:{OF_40}", "20240419")
    assert found.offer.version == "40-1.14"
    assert found.offer.images[0].size == 397475840
    assert found.offer.vouched.endswith(f"signed by {seals[0].signer.fingerprint}")


def put_44(servers: Upstreams, listed: bytes, **more: Any) -> None:
    """Fedora 44 for aarch64, with its packaged key beside the YAML file."""
    place = servers.folder / "upstreams/distribution-gpg-keys/fedora"
    servers.use("fedora")
    place.mkdir(parents=True)
    shutil.copy(RECORDED / "signed/keys/RPM-GPG-KEY-fedora-44-primary", place)
    name = "Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2"
    one = row("44", name, "aarch64", **({"sha256": OF_44, "size": "528154624"} | more))
    servers.put(INDEX, json.dumps([one]))
    servers.put(f"{LINUX}/44/Cloud/aarch64/images/{SIGNED}", listed)
    servers.put(one["link"], Reply(b"image", headers={"Last-Modified": CHANGED}))


# Of a beta, the index may have none, or none that is one.
@pytest.mark.parametrize("digest", [OF_44, None, "", OF_44[:40]])
def test_the_list_of_44_is_really_signed(servers: Upstreams, digest: str | None) -> None:
    put_44(servers, recorded(f"signed/{SIGNED}"), sha256=digest)
    found = servers.newest("fedora", "fedora-44-arm64")
    assert told(found)[1:] == (f"sha256:{OF_44}", "20260428.1234")
    assert found.offer.vouched == f"{SIGNED}, signed by {KEY}"


def test_one_byte_of_the_signed_list_is_another(servers: Upstreams) -> None:
    content = recorded(f"signed/{SIGNED}")
    assert OF_44.encode() in content
    other = f"{OF_44[:-1]}{'0' if OF_44[-1] != '0' else '1'}"
    put_44(servers, content.replace(OF_44.encode(), other.encode()), sha256=other)
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        servers.newest("fedora", "fedora-44-arm64")


def test_a_line_in_front_of_what_is_signed_does_not_count(servers: Upstreams) -> None:
    other = "0" * 64
    name = "Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2"
    line = f"SHA256 ({name}) = {other}\n".encode()
    put_44(servers, line + recorded(f"signed/{SIGNED}"), sha256=None)
    assert told(servers.newest("fedora", "fedora-44-arm64"))[1] == f"sha256:{OF_44}"


def test_the_index_and_the_signed_list_must_agree(servers: Upstreams) -> None:
    put_44(servers, recorded(f"signed/{SIGNED}"), sha256="0" * 64)
    with pytest.raises(InfrastructureError, match="different digests"):
        servers.newest("fedora", "fedora-44-arm64")


def test_a_key_that_is_not_pinned(servers: Upstreams, seals: tuple[Seal, Seal]) -> None:
    servers.use("fedora", seals[0])
    one = row("44", "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2", sha256=OF_44)
    servers.put(INDEX, json.dumps([one]))
    put_list(servers, seals[1], one["link"], "44-1.7", OF_44)
    with pytest.raises(InfrastructureError, match="a key that is not in the keyring"):
        servers.newest("fedora", "fedora-44")


@pytest.mark.parametrize(
    ("names", "version"),
    [
        (
            ["Fedora-Cloud-Base-39-1.9.x86_64.qcow2", "Fedora-Cloud-Base-39-1.10.x86_64.qcow2"],
            "1.10",
        ),
        (["Fedora-Cloud-Base-Generic.x86_64-39-1.14.qcow2"], "1.14"),
        (
            [
                "Fedora-Cloud-Base-Generic-39-2.1.x86_64.qcow2",
                "Fedora-Cloud-Base-39-1.10.x86_64.qcow2",
            ],
            "2.1",
        ),
    ],
)
def test_versions_count_as_numbers_in_all_three_kinds_of_names(
    servers: Upstreams, seals: tuple[Seal, Seal], names: list[str], version: str
) -> None:
    servers.use("fedora", seals[0])
    others = [
        row("39", "Fedora-Cloud-Base-UEFI-UKI-39-9.9.x86_64.qcow2", subvariant="Cloud_Base_UKI"),
        row("39", "Fedora-Cloud-Base-GCE-39-9.9.x86_64.tar.gz"),
        # Rows that say another thing than the name in them.
        row("39", "Fedora-Cloud-Base-39-9.8.x86_64.qcow2", subvariant="Cloud_Base_UKI"),
        row("38", "Fedora-Cloud-Base-39-9.7.x86_64.qcow2"),
        row("9", "Fedora-Cloud-Base-9-9.9.x86_64.qcow2"),
        row("Rawhide", "Fedora-Cloud-Base-Generic-Rawhide-9.9.x86_64.qcow2"),
    ]
    servers.put(INDEX, json.dumps([*others, *(row("39", name) for name in names)]))
    newest = next(name for name in names if f"-{version}." in name)
    put_list(servers, seals[0], row("39", newest)["link"], f"39-{version}", "1" * 64)
    found = servers.newest("fedora", "fedora-39")
    assert told(found)[:2] == (row("39", newest)["link"], f"sha256:{'1' * 64}")


def test_a_beta_counts_only_where_it_is_asked_for(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("fedora", seals[0])
    servers.put(INDEX, recorded("containerdisks/fedora/releases.json"))
    name = "Fedora-Cloud-Base-Generic-41_Beta-1.2.x86_64.qcow2"
    link = f"{LINUX}/test/41_Beta/Cloud/x86_64/images/{name}"
    put_list(servers, seals[0], link, "41_Beta-1.2", "a" * 64)
    found = servers.newest("fedora", "fedora-41", beta=True)
    assert told(found)[:2] == (link, f"sha256:{'a' * 64}")


def test_a_release_is_newer_than_its_beta(servers: Upstreams, seals: tuple[Seal, Seal]) -> None:
    servers.use("fedora", seals[0])
    names = {
        "44": "Fedora-Cloud-Base-Generic-44-1.1.x86_64.qcow2",
        "44 Beta": "Fedora-Cloud-Base-Generic-44_Beta-1.2.x86_64.qcow2",
    }
    servers.put(INDEX, json.dumps([row(number, name) for number, name in names.items()]))
    put_list(servers, seals[0], row("44", names["44"])["link"], "44-1.1", "3" * 64)
    found = servers.newest("fedora", "fedora-44", beta=True)
    assert found.candidate.file == names["44"]


def test_another_compose_does_not_tell_the_day(
    servers: Upstreams, seals: tuple[Seal, Seal]
) -> None:
    servers.use("fedora", seals[0])
    one = row("44", "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2", sha256=OF_44)
    servers.put(INDEX, json.dumps([one]))
    put_list(servers, seals[0], one["link"], "44-1.7", OF_44)
    put_compose(servers, "44", "RC-1.17", "20260501")
    assert told(servers.newest("fedora", "fedora-44"))[2] == "20260428.1234"


def test_a_compose_tells_what_the_index_leaves_out(servers: Upstreams) -> None:
    servers.use("fedora", checksums=None, signature=None, unsigned="a test of it")
    one = row("44", "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2", size=None)
    servers.put(INDEX, json.dumps([one]))
    path = f"Cloud/x86_64/images/{one['link'].rpartition('/')[2]}"
    digests = {"sha256": OF_44}
    put_compose(servers, "44", "RC-1.7", "20260424", path=path, size=7, checksums=digests)
    found = servers.newest("fedora", "fedora-44")
    assert told(found) == (one["link"], f"sha256:{OF_44}", "20260424")
    assert found.offer.images[0].size == 7


@pytest.mark.parametrize(
    "page", [b"<html>out of order</html>", b'{"version": 1}', b'[{"arch": 1}]']
)
def test_a_page_in_place_of_the_index(servers: Upstreams, page: bytes) -> None:
    servers.use("fedora")
    servers.put(INDEX, serve(page, "text/html"))
    with pytest.raises(InfrastructureError, match=r"fedoraproject\.org/releases\.json"):
        servers.series("fedora")
