# SPDX-License-Identifier: GPL-2.0-or-later
"""CirrOS: a file with a version, lists of digests, and the same files at GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.downloads.client import Absent
from builder.errors import InfrastructureError
from tests.integration.apiserver import Asked, Reply, as_json, serve
from tests.integration.upstreams import Upstreams, recorded, told, upstreams

TOP = "https://download.cirros-cloud.net"
RELEASED = f"{TOP}/version/released"
API = "https://api.github.com/repos/cirros-dev/cirros/releases"
# Of 0.6.3, as its SHA256SUMS has them.
DIGESTS = {
    "x86_64": "7d6355852aeb6dbcd191bcda7cd74f1536cfe5cbf8a10495a7283a8396e4b75b",
    "aarch64": "611879b8299363fe60ff0f84982e4da08e63f476e8481170223db982959783cb",
}
GITHUB: dict[str, Any] = {
    "index": {"kind": "github", "repository": "cirros-dev/cirros"},
    "file": r"cirros-(?P<version>{release}\.[0-9]+(?:-(?:pre|rc)[0-9]+)?)-{arch}-disk\.img",
    "checksums": None,
    "newest": None,
    "releases": [{"release": "0.6"}],
}
CHANGED = {"Last-Modified": "Fri, 27 Sep 2024 06:07:08 GMT"}


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    with upstreams(tmp_path, monkeypatch) as made:
        made.use("cirros")
        yield made


def put_version(servers: Upstreams, version: str, listed: str | bytes = "") -> None:
    servers.put(RELEASED, f"{version}\n")
    lines = (f"{sha}  cirros-{version}-{arch}-disk.img\n" for arch, sha in DIGESTS.items())
    servers.put(f"{TOP}/{version}/SHA256SUMS", listed or "".join(lines))
    for arch in DIGESTS:
        name = f"cirros-{version}-{arch}-disk.img"
        servers.put(f"{TOP}/{version}/{name}", Reply(b"image", headers=CHANGED))


@pytest.mark.parametrize(
    ("name", "arch"), [("cirros-0.6", "x86_64"), ("cirros-0.6-arm64", "aarch64")]
)
def test_the_version_that_the_file_tells(servers: Upstreams, name: str, arch: str) -> None:
    put_version(servers, "0.6.3")
    assert set(servers.series("cirros")) == {"cirros-0.6", "cirros-0.6-arm64"}
    found = servers.newest("cirros", name)
    url = f"{TOP}/0.6.3/cirros-0.6.3-{arch}-disk.img"
    assert told(found) == (url, f"sha256:{DIGESTS[arch]}", "20240927.607")
    assert found.offer.version == "0.6.3"
    assert "not signed" in found.offer.vouched


def test_the_day_of_an_image_comes_without_the_image(servers: Upstreams) -> None:
    put_version(servers, "0.6.3")
    servers.newest("cirros", "cirros-0.6")
    assert {each.method for each in servers.server.asked("disk.img")} == {"HEAD"}


def test_a_server_that_answers_no_head(servers: Upstreams) -> None:
    put_version(servers, "0.6.3")

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return Reply(status=403)
        assert asked.headers["Range"] == "bytes=0-0"
        return Reply(b"i", 206, CHANGED)

    servers.put(f"{TOP}/0.6.3/cirros-0.6.3-x86_64-disk.img", answer)
    assert told(servers.newest("cirros", "cirros-0.6"))[2] == "20240927.607"


def test_an_image_that_is_not_there(servers: Upstreams) -> None:
    put_version(servers, "0.6.3")
    servers.server.routes.pop("/download.cirros-cloud.net/0.6.3/cirros-0.6.3-x86_64-disk.img")
    with pytest.raises(Absent):
        servers.newest("cirros", "cirros-0.6")


@pytest.mark.parametrize("algorithm", ["MD5SUMS", "SHA256SUMS"])
def test_what_can_be_forged_is_refused(servers: Upstreams, algorithm: str) -> None:
    servers.use("cirros", checksums=algorithm, arches={"amd64": "i386"})
    servers.put(RELEASED, "0.3.0")
    servers.put(f"{TOP}/0.3.0/{algorithm}", recorded("derived/cirros-0.3.0-MD5SUMS"))
    with pytest.raises(InfrastructureError, match=r"no digest by sha256|only a digest by md5"):
        servers.newest("cirros", "cirros-0.3")


def test_digests_of_other_files_do_not_count(servers: Upstreams) -> None:
    put_version(servers, "0.6.3", f"{DIGESTS['x86_64']}  not-cirros-0.6.3-x86_64-disk.img\n")
    with pytest.raises(InfrastructureError, match="has no line for"):
        servers.newest("cirros", "cirros-0.6")


@pytest.mark.parametrize(
    "content",
    ["", "latest", "0.6.3\n0.6.4", "../../etc", "<html>busy</html>", "1" * 65, "0.latest"],
)
def test_a_file_without_a_version(servers: Upstreams, content: str) -> None:
    servers.put(RELEASED, serve(content.encode(), "text/html"))
    with pytest.raises(InfrastructureError, match="holds no version"):
        servers.series("cirros")


def test_an_endless_file(servers: Upstreams) -> None:
    servers.put(RELEASED, Reply(endless=True))
    with pytest.raises(InfrastructureError, match="larger than it may be"):
        servers.series("cirros")


def asset(version: str, digest: str | None, **more: Any) -> dict[str, Any]:
    name = f"cirros-{version}-x86_64-disk.img"
    known = {
        "name": name,
        "url": f"{API}/assets/1",
        "browser_download_url": f"https://github.com/cirros-dev/cirros/releases/{name}",
        "size": 21692416,
        "digest": digest,
        "updated_at": "2026-09-27T06:07:08Z",
    }
    return known | more


def release(version: str, *assets: dict[str, Any], **more: Any) -> dict[str, Any]:
    times = {"created_at": "2026-09-01T00:00:00Z", "published_at": "2026-09-27T00:00:00Z"}
    return {"tag_name": version, "assets": list(assets)} | times | more


def put_releases(servers: Upstreams, *releases: dict[str, Any]) -> None:
    servers.use("cirros", **GITHUB)
    servers.put(f"{API}?per_page=100", as_json(list(releases)))


def digest(sign: str) -> str:
    return f"sha256:{sign * 64}"


def test_github_has_the_same(servers: Upstreams) -> None:
    put_releases(
        servers,
        release("0.6.9", asset("0.6.9", digest("9"))),
        release("0.6.10", asset("0.6.10", digest("a"))),
        release("0.6.11", asset("0.6.11", digest("b")), draft=True),
        release("0.6.12", asset("0.6.12", digest("c"), state="starter")),
        release("0.6.13-rc1", asset("0.6.13-rc1", digest("d")), prerelease=True),
        release("0.7.0", asset("0.7.0", digest("e"))),
    )
    found = servers.newest("cirros", "cirros-0.6")
    name = "cirros-0.6.10-x86_64-disk.img"
    url = f"https://github.com/cirros-dev/cirros/releases/{name}"
    assert told(found) == (url, digest("a"), "20260927.607")
    assert found.offer.images[0].size == 21692416
    beta = servers.newest("cirros", "cirros-0.6", beta=True)
    assert beta.offer.version == "0.6.13-rc1"


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (None, "nobody publishes a digest"),
        (f"md5:{'0' * 32}", "by md5"),
        ("sha256:12", "64 digits"),
    ],
)
def test_github_tells_no_digest_of_old_files(
    servers: Upstreams, known: str | None, says: str
) -> None:
    put_releases(servers, release("0.6.3", asset("0.6.3", known)))
    with pytest.raises(InfrastructureError, match=says):
        servers.newest("cirros", "cirros-0.6")


def test_a_token_is_for_github_only(servers: Upstreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEIR_TOKEN", "a-secret")
    index = {**GITHUB["index"], "token": {"env": "THEIR_TOKEN"}}
    put_releases(servers, release("0.6.3", asset("0.6.3", digest("3"))))
    servers.use("cirros", **GITHUB | {"index": index})
    seen: list[str | None] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked.headers["Authorization"])
        return as_json([release("0.6.3", asset("0.6.3", digest("3")))])

    servers.put(f"{API}?per_page=100", answer)
    found = servers.newest("cirros", "cirros-0.6")
    assert seen == ["Bearer a-secret"]
    assert found.candidate.url == f"{API}/assets/1"
    assert len(found.places(servers.asking())) == 1
    assert "a-secret" not in repr(found)
