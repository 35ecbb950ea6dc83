# SPDX-License-Identifier: GPL-2.0-or-later
"""Arch Linux: packages at a GitLab, as its API describes them, and a server that is in the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InfrastructureError
from builder.store.keys import read_keyring
from builder.upstream.asking import Asking
from tests.integration.apiserver import Asked, Reply, as_json
from tests.integration.upstreams import SOURCES, Upstreams, recorded, told, upstreams

GITLAB = "https://gitlab.archlinux.org/api/v4/projects/archlinux%2Farch-boxes"
MIRROR = "https://geo.mirror.pkgbuild.com/images/"
QUERY = "?package_type=generic&package_name=images&order_by=created_at&sort=desc&per_page=100"
KEY = "1B9A16984A4E8CB448712D2AE0B78BF4326C6F8F"
# As recorded.
NAME = "Arch-Linux-x86_64-cloudimg-20260715.556894.qcow2"
DIGEST = "f419d4e29aebfc017ad4c9de330a3be0d7eefba710b269108b116aaca1122926"


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        made.use("arch")
        yield made


def package(number: int, version: str, **more: Any) -> dict[str, Any]:
    known = {"id": number, "name": "images", "version": f"v{version}", "package_type": "generic"}
    return known | {"status": "default", "created_at": "2026-07-15T04:05:06.789Z"} | more


def put_packages(servers: Upstreams, *versions: str, whole: bool = True) -> None:
    """Versions of the package, the first one uploaded last; a whole one has its image."""
    found = [package(number, each) for number, each in enumerate(versions, 1)]
    servers.put(f"{GITLAB}/packages{QUERY}", as_json(found))
    for number, each in enumerate(versions, 1):
        put_files(servers, number, each, "cloudimg" if whole or number > 1 else "basic")


def put_files(servers: Upstreams, number: int, version: str, *kinds: str) -> None:
    names = [f"Arch-Linux-x86_64-{kind}-{version}.qcow2" for kind in kinds]
    files = [
        {
            "id": at,
            "package_id": number,
            "created_at": "2026-07-15T04:05:06.789Z",
            "size": 7,
            "file_name": name,
            "file_sha256": hashlib.sha256(name.encode()).hexdigest(),
        }
        for at, name in enumerate(
            (name + end for name in names for end in ("", ".sig", ".SHA256")), 1
        )
    ]
    servers.put(f"{GITLAB}/packages/{number}/package_files?per_page=100", as_json(files))


def image(version: str) -> tuple[str, str, str]:
    name = f"Arch-Linux-x86_64-cloudimg-{version}.qcow2"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{MIRROR}v{version}/{name}", f"sha256:{digest}", version[:8]


def test_the_recorded_files(servers: Upstreams) -> None:
    found = [package(1, "20260715.556894")]
    servers.put(f"{GITLAB}/packages{QUERY}", as_json(found))
    files = json.loads(recorded("derived/arch-package_files.json"))
    servers.put(f"{GITLAB}/packages/1/package_files?per_page=100", as_json(files))
    newest = servers.newest("arch", "arch-rolling")
    url = f"{MIRROR}v20260715.556894/{NAME}"
    assert told(newest) == (url, f"sha256:{DIGEST}", "20260715")
    assert newest.offer.version == "20260715.556894"
    assert newest.offer.images[0].size is None, "0 is no size of an image"


@pytest.mark.parametrize(
    ("versions", "best"),
    [
        (["20260701.999999", "20260715.100000"], "20260715.100000"),
        (["20260715.99999", "20260715.100000"], "20260715.100000"),
        (["20260715.556894", "20251215.556895"], "20260715.556894"),
    ],
)
def test_the_greatest_day_and_job_count(servers: Upstreams, versions: list[str], best: str) -> None:
    put_packages(servers, *versions)
    assert told(servers.newest("arch", "arch-rolling")) == image(best)


def test_a_package_without_its_image_is_on_its_way(servers: Upstreams) -> None:
    put_packages(servers, "20260801.600000", "20260715.556894", whole=False)
    assert told(servers.newest("arch", "arch-rolling")) == image("20260715.556894")


def test_other_packages_do_not_count(servers: Upstreams) -> None:
    found = [
        package(1, "20260901.1", name="images-of-others"),
        package(2, "20260901.1", status="error"),
        package(3, "20260715.556894"),
    ]
    servers.put(f"{GITLAB}/packages{QUERY}", as_json(found))
    put_files(servers, 3, "20260715.556894", "cloudimg")
    assert told(servers.newest("arch", "arch-rolling")) == image("20260715.556894")


def test_more_than_one_page(servers: Upstreams) -> None:
    first, second = f"{GITLAB}/packages{QUERY}", f"{GITLAB}/packages{QUERY}&page=2"
    link = f'<{second.replace("https://", "/")}>; rel="next"'
    servers.put(first, as_json([package(1, "20260701.100000")], Link=link))
    servers.put(second, as_json([package(2, "20260715.100000")]))
    put_files(servers, 2, "20260715.100000", "cloudimg")
    assert told(servers.newest("arch", "arch-rolling")) == image("20260715.100000")


def test_the_mirrors_tell_the_same(servers: Upstreams) -> None:
    listing = {
        "kind": "listing",
        "url": MIRROR,
        "folder": r"v(?P<date>[0-9]{8})\.(?P<respin>[0-9]+)",
    }
    servers.use("arch", index=listing, checksums="{file}.SHA256")
    servers.page(MIRROR, "latest/", "v20260701.550000/", "v20260715.556894/")
    folder = f"{MIRROR}v20260715.556894/"
    servers.page(folder, NAME, f"{NAME}.sig", f"{NAME}.SHA256")
    servers.put(f"{folder}{NAME}.SHA256", recorded(f"derived/{NAME}.SHA256"))
    newest = servers.newest("arch", "arch-rolling")
    assert told(newest) == (f"{folder}{NAME}", f"sha256:{DIGEST}", "20260715")


def test_the_image_is_also_at_the_gitlab(servers: Upstreams) -> None:
    put_packages(servers, "20260715.556894")
    found = servers.newest("arch", "arch-rolling")
    addresses = [address for address, _ in found.places(Asking())]
    assert addresses == [
        f"{MIRROR}v20260715.556894/{NAME}",
        f"{GITLAB}/packages/generic/images/v20260715.556894/{NAME}",
    ]


def test_the_key_that_we_have_is_the_pinned_one() -> None:
    ring = read_keyring(SOURCES / "arch-boxes.asc")
    # RFC 4880, 12.2: of a version 4 key, the SHA-1 of 0x99, its length, and its packet's body.
    length = ring.content[1]
    body = ring.content[2 : 2 + length]
    digest = hashlib.sha1(b"\x99" + length.to_bytes(2, "big") + body, usedforsecurity=False)
    assert ring.content[0] == 0x98, "a public key, and a length of one byte"
    assert digest.hexdigest().upper() == KEY


def test_a_server_that_wants_a_pause_gets_it(servers: Upstreams) -> None:
    put_packages(servers, "20260715.556894")
    servers.server.hurdles += [Reply(status=429, headers={"Retry-After": "0"})] * 2
    assert told(servers.newest("arch", "arch-rolling")) == image("20260715.556894")


def test_a_pause_that_is_too_long_is_told(servers: Upstreams) -> None:
    put_packages(servers, "20260715.556894")
    servers.server.hurdles.append(Reply(status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(InfrastructureError, match="asks to wait 7200 s"):
        servers.newest("arch", "arch-rolling")


def test_a_server_that_wants_to_know_who_asks(servers: Upstreams) -> None:
    put_packages(servers, "20260715.556894")
    answer = servers.server.answer

    def refuses_the_nameless(asked: Asked) -> Reply:
        if not (asked.headers["User-Agent"] or "").startswith("fai-forge/"):
            return replace(as_json({"message": "403 Forbidden"}), status=403)
        return answer(asked)

    servers.server.answer = refuses_the_nameless  # type: ignore[method-assign]
    assert told(servers.newest("arch", "arch-rolling")) == image("20260715.556894")


def test_a_server_that_refuses(servers: Upstreams) -> None:
    servers.server.hurdles.append(replace(as_json({}), status=403))
    with pytest.raises(InfrastructureError, match=r"forbidden \(403\)"):
        servers.newest("arch", "arch-rolling")
