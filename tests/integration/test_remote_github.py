# SPDX-License-Identifier: GPL-2.0-or-later
"""Releases of a repository at GitHub, with records as GitHub's REST documentation has them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builder.downloads import files
from builder.errors import InfrastructureError, UsageError
from tests.integration.apiserver import Api, Asked, Reply, as_json, running, serve
from tests.integration.remoteworld import (
    Seal,
    World,
    disk,
    make_world,
    no_secret,
    not_kept,
    only,
    sha256,
    sums,
)
from tests.integration.signing import key_home

REPOSITORY = "octo/images"
SECRET = "ghp_do-not-tell-anybody"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(files, "PAUSE", 0.0)
    return make_world(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def seals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seal, Seal]]:
    folder = tmp_path_factory.mktemp("keys")
    with key_home() as home:
        yield Seal.make(home, folder, "theirs"), Seal.make(home, folder, "stranger")


@dataclass
class Github:
    """GitHub's API, and the host that has the files; releases are served in pages of two."""

    api: Api
    storage: Api
    releases: list[dict[str, Any]] = field(default_factory=list)

    def release(self, tag: str, content: dict[str, bytes], day: str, **more: Any) -> None:
        """A release with assets, in front of the others as GitHub has it."""
        number = len(self.releases) + 1
        made = {
            "url": f"{self.api.url}/repos/{REPOSITORY}/releases/{number}",
            "html_url": f"https://github.com/{REPOSITORY}/releases/{tag}",
            "id": number,
            "tag_name": tag,
            "name": tag,
            "draft": False,
            "prerelease": False,
            "immutable": False,
            "created_at": f"{day}T06:00:00Z",
            "published_at": f"{day}T07:42:00Z",
            "assets": [self._asset(number, day, name, each) for name, each in content.items()],
        }
        self.releases.insert(0, made | more)
        self._serve()

    def _asset(self, release: int, day: str, name: str, content: bytes) -> dict[str, Any]:
        number = release * 100 + sum(name.encode())
        path = f"/repos/{REPOSITORY}/releases/assets/{number}"
        page = f"/{REPOSITORY}/releases/download/{number}/{name}"
        stored = f"/stored/{number}?X-Amz-Signature=s3cr3t"
        self.storage.routes[stored] = serve(content)
        record = {
            "url": self.api.url + path,
            "browser_download_url": self.api.url + page,
            "id": number,
            "name": name,
            "label": None,
            "state": "uploaded",
            "content_type": "application/octet-stream",
            "size": len(content),
            "digest": f"sha256:{sha256(content)}",
            "download_count": 42,
            "created_at": f"{day}T07:41:00Z",
            "updated_at": f"{day}T07:41:00Z",
        }

        def answer(asked: Asked) -> Reply:
            if asked.headers["Accept"] != "application/octet-stream":
                return as_json(record)
            return Reply(status=302, headers={"Location": self.storage.url + stored})

        self.api.routes[path] = answer
        self.api.routes[page] = answer
        return record

    def _serve(self) -> None:
        path = f"/repos/{REPOSITORY}/releases?per_page=100"
        pages = [self.releases[begin : begin + 2] for begin in range(0, len(self.releases), 2)]
        for number, page in enumerate(pages, 1):
            link = f'<{self.api.url}{path}&page={number + 1}>; rel="next"'
            more = {"Link": link} if number < len(pages) else {}
            reply = as_json(page, ETag=f'"{number}-{len(self.releases)}"', **more)
            self.api.routes[f"{path}&page={number}" if number > 1 else path] = reply

    def asset(self, name: str) -> dict[str, Any]:
        """The record of an asset of the newest release."""
        found: dict[str, Any] = only(
            each for each in self.releases[0]["assets"] if each["name"] == name
        )
        return found

    def entry(self, **more: Any) -> dict[str, Any]:
        asset = r"alpine-(?P<version>[0-9.]+)-x86_64\.qcow2"
        images = [{"name": "alpine-322", "asset": asset, "default_user": "alpine"}]
        return {
            "kind": "github",
            "repository": REPOSITORY,
            "api": self.api.url,
            "images": images,
        } | more


@pytest.fixture
def github() -> Iterator[Github]:
    with running() as api, running() as storage:
        yield Github(api, storage)


def image(version: str) -> str:
    return f"alpine-{version}-x86_64.qcow2"


def test_releases_come_page_by_page(world: World, github: Github, tmp_path: Path) -> None:
    for number, version in enumerate(["3.22.9", "3.22.10", "3.22.11"], 1):
        content = {image(version): disk(tmp_path), "notes.txt": b"text"}
        github.release(f"v{version}", content, f"2026-11-0{number}")
    github.release("v3.23.0", {image("3.23.0"): b"not yet"}, "2026-11-19", draft=True)
    github.release("v3.23.0-rc1", {image("3.23.0"): b"x"}, "2026-11-18", prerelease=True)
    remote = world.remote(**github.entry())
    assert remote.url == f"{github.api.url}/repos/{REPOSITORY}/releases"
    offers = remote.offers()
    assert [offer.version for offer in offers] == ["3.22.9", "3.22.10", "3.22.11"]
    assert [offer.serial for offer in offers] == ["20261101.742", "20261102.742", "20261103.742"]
    assert len(github.api.log) == 3
    assert all("application/vnd.github" in asked.headers["Accept"] for asked in github.api.log)
    assert "digest of its API" in offers[-1].vouched
    _, manifest = world.brought(remote, offers[-1])
    assert manifest.origin.url.endswith(image("3.22.11"))
    assert manifest.origin.version == "3.22.11"
    assert (manifest.distro, manifest.release, manifest.arch) == ("alpine", "322", "amd64")
    assert "s3cr3t" not in manifest.model_dump_json()
    assert len(world.remote(**github.entry(prereleases=True)).offers()) == 4


def test_a_rolling_release_has_the_day_of_its_images(
    world: World, github: Github, tmp_path: Path
) -> None:
    content = {"a.qcow2": disk(tmp_path), "b.qcow2": disk(tmp_path), "notes.txt": b""}
    github.release("rolling", content, "2026-11-01")
    github.release("v1", {"a.qcow2": disk(tmp_path)}, "2026-11-02")
    images = [{"name": "a-1", "asset": r"a\.qcow2"}, {"name": "b-1", "asset": r"b\.qcow2"}]
    entry = github.entry(images=images)
    remote = world.remote(**entry)
    assert [offer.serial for offer in remote.offers("a-1")] == ["20261101.742", "20261102.742"]
    assets = {asset["name"]: asset for asset in github.releases[1]["assets"]}
    assets["b.qcow2"]["updated_at"] = "2026-11-03T08:00:00+01:00"
    assets["notes.txt"]["updated_at"] = "2026-11-04T07:00:00Z"
    github._serve()
    for series in ("a-1", "b-1", None):
        newest = {offer.name: offer for offer in remote.offers(series)}
        assert {offer.serial for offer in newest.values()} == {"20261103.700"}
        assert {offer.version for offer in newest.values()} == {"rolling"}
    assets["b.qcow2"]["state"] = "starter"
    github._serve()
    assert [offer.serial for offer in remote.offers("a-1")] == ["20261101.742", "20261102.742"]


def test_the_next_look_asks_for_changes_only(world: World, github: Github, tmp_path: Path) -> None:
    github.release("v1", {image("3.22.1"): disk(tmp_path)}, "2026-11-01")
    remote = world.remote(**github.entry())
    first = remote.offers()
    github.api.hurdles = [Reply(status=304)]
    assert remote.offers() == first
    assert github.api.log[-1].headers["If-None-Match"] == '"1-1"'


@pytest.mark.parametrize("where", ["env", "file"])
def test_a_token_stays_at_github(
    world: World,
    github: Github,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    github.api.token = ("Authorization", f"Bearer {SECRET}")
    github.release("v1", {image("3.22.1"): disk(tmp_path)}, "2026-11-01")
    file = tmp_path / "token"
    if where == "env":
        monkeypatch.setenv("IMAGES_TOKEN", SECRET)
        token = {"env": "IMAGES_TOKEN"}
    else:
        file.write_text(f"{SECRET}\n")
        file.chmod(0o600)
        token = {"file": "token"}
    remote = world.remote(**github.entry(token=token))
    _, manifest = world.brought(remote, only(remote.offers()))
    assert "/releases/assets/" in manifest.origin.url
    assert github.storage.asked("/stored/")
    assert no_secret(github.storage, SECRET)
    assert no_secret(github.storage, "Bearer")
    assert SECRET not in caplog.text + manifest.model_dump_json() + repr(remote)
    assert "s3cr3t" not in caplog.text
    github.api.token = ("Authorization", "Bearer another")
    with pytest.raises(InfrastructureError, match="it has expired, or was revoked"):
        world.remote(**github.entry(token=token)).offers()
    if where == "file":
        file.chmod(0o640)
        with pytest.raises(UsageError, match="others than its owner can read") as caught:
            world.remote(**github.entry(token=token)).offers()
        assert "chmod 600" in caught.value.hint
        file.chmod(0o600)
        file.write_text("two\nlines")
        with pytest.raises(UsageError, match="holds no token"):
            world.remote(**github.entry(token=token)).offers()
    else:
        monkeypatch.delenv("IMAGES_TOKEN")
        with pytest.raises(UsageError, match="is not set"):
            world.remote(**github.entry(token=token)).offers()


@pytest.mark.parametrize("clearsigned", [True, False])
def test_signed_digests(
    world: World,
    github: Github,
    seals: tuple[Seal, Seal],
    tmp_path: Path,
    *,
    clearsigned: bool,
) -> None:
    theirs, stranger = seals

    def release(tag: str, day: str, seal: Seal | None) -> None:
        content = {image(tag): disk(tmp_path)}
        listed = sums(content)
        signer = seal.signer if seal else None
        if clearsigned:
            content["SHA256SUMS"] = signer.clearsigned(listed) if signer else listed
        else:
            content["SHA256SUMS"] = listed
            if signer:
                content["SHA256SUMS.asc"] = signer.detached(listed)
        github.release(tag, content, day)

    signature = "SHA256SUMS" if clearsigned else "SHA256SUMS.asc"
    entry = github.entry(checksums="SHA256SUMS", signature=signature, keyring=str(theirs.keyring))
    release("3.22.1", "2026-11-01", stranger)
    release("3.22.2", "2026-11-02", theirs)
    offer = only(world.remote(**entry).offers())
    assert offer.vouched == f"SHA256SUMS, signed by {theirs.signer.fingerprint}"
    _, manifest = world.brought(world.remote(**entry), offer)
    assert manifest.origin.signed_by == theirs.signer.fingerprint
    # Yesterday it was signed; who left the new one out would stay at the old one.
    release("3.22.3", "2026-11-03", None)
    with pytest.raises(InfrastructureError, match=r"no good signature|has no SHA256SUMS.asc"):
        world.remote(**entry).offers()
    release("3.22.4", "2026-11-04", stranger)
    with pytest.raises(InfrastructureError, match="not in the keyring"):
        world.remote(**entry).offers()


def test_a_list_that_is_about_other_files(world: World, github: Github, tmp_path: Path) -> None:
    entry = github.entry(checksums="SHA256SUMS")
    name, content = image("3.22.1"), disk(tmp_path)
    github.release("1", {name: content, "SHA256SUMS": sums({f"x{name}": b""})}, "2026-11-01")
    with pytest.raises(InfrastructureError, match=f"has no line for {name}"):
        world.remote(**entry).offers()
    github.release("2", {name: content, "SHA256SUMS": sums({name: b"other"})}, "2026-11-02")
    with pytest.raises(InfrastructureError, match="has another digest for"):
        world.remote(**entry).offers()
    github.asset(name)["digest"] = None
    github._serve()
    remote = world.remote(**entry)
    with pytest.raises(InfrastructureError, match="its sha256 is another"):
        world.brought(remote, only(remote.offers()))
    assert not_kept(world) == []
    github.release("3", {name: content}, "2026-11-03")
    with pytest.raises(InfrastructureError, match="the release 3 of octo/images has no SHA256SUMS"):
        world.remote(**entry).offers()


TWO = [{"name": f"{name}-1", "asset": rf"{name}.*\.qcow2"} for name in "ab"]


def test_an_older_release_hides_no_newer_one(
    world: World, github: Github, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for day, files_there in enumerate((["a"], ["a", "a2"], ["a"]), 1):
        content = {f"{name}.qcow2": disk(tmp_path) for name in files_there}
        github.release(f"v{day}", content, f"2026-11-0{day}")
    remote = world.remote(**github.entry(images=TWO))
    assert [offer.version for offer in remote.offers()] == ["v1", "v3"]
    assert "an older release is left out: the remote theirs: a.*" in caplog.text
    github.release("v4", {"a.qcow2": b"a", "a2.qcow2": b"b"}, "2026-11-04")
    with pytest.raises(UsageError, match="fits several files"):
        remote.offers()


@pytest.mark.parametrize("wrong", ["list", "digest"])
def test_an_image_without_a_digest_takes_no_other_with_it(
    world: World, github: Github, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    content = {"a.qcow2": disk(tmp_path), "b.qcow2": disk(tmp_path)}
    listed = content | {"SHA256SUMS": sums(content)}
    github.release("v1", listed, "2026-11-01")
    github.release("v2", listed | {"b.qcow2": disk(tmp_path)}, "2026-11-02")
    if wrong == "digest":
        github.asset("b.qcow2")["digest"] = "md5:0"
        github._serve()
    remote = world.remote(**github.entry(images=TWO, checksums="SHA256SUMS"))
    offers = remote.offers()
    assert [(offer.name, offer.version) for offer in offers] == [("a-1", "v1"), ("a-1", "v2")]
    assert "theirs: b-1 is left out" in caplog.text
    assert len(github.storage.log) == 2
    with pytest.raises(InfrastructureError, match=r"b\.qcow2"):
        remote.offers("b-1")


def test_a_limit_is_told_with_its_end(world: World, github: Github, tmp_path: Path) -> None:
    github.release("1", {image("3.22.1"): disk(tmp_path)}, "2026-11-01")
    github.api.hurdles = [Reply(b"{}", 403, {"Retry-After": "0"}), Reply(b"{}", 429)]
    assert world.remote(**github.entry()).offers()
    limited = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0"}
    limited["X-RateLimit-Reset"] = "4102444800"
    github.api.hurdles = [Reply(b"{}", 403, limited)]
    with pytest.raises(InfrastructureError, match="wait until 2100-01-01 00:00") as caught:
        world.remote(**github.entry()).offers()
    assert "with a token, servers allow more" in caught.value.hint


def test_a_line_that_is_cut_goes_on_through_the_redirect(
    world: World, github: Github, tmp_path: Path
) -> None:
    content = disk(tmp_path)
    github.release("1", {image("3.22.1"): content}, "2026-11-01")
    path = only(path for path in github.storage.routes)
    github.storage.hurdles = [serve(content, cut=70_000)]
    remote = world.remote(**github.entry())
    world.brought(remote, only(remote.offers()))
    first, second = github.storage.asked(path)
    assert (first.headers["Range"], second.headers["Range"]) == (None, "bytes=70000-")


def test_nonsense_is_told_as_such(world: World, github: Github, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="is not there"):
        world.remote(**github.entry()).offers()
    github.release("1", {image("3.22.1"): disk(tmp_path)}, "2026-11-01")
    github.asset(image("3.22.1"))["size"] = "large"
    github._serve()
    with pytest.raises(InfrastructureError, match=r"0.assets.0.size"):
        world.remote(**github.entry()).offers()
    github.asset(image("3.22.1"))["size"] = 1
    for time in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"):
        github.releases[0]["published_at"] = time
        github._serve()
        github.api.log.clear()
        with pytest.raises(InfrastructureError, match=r"0.published_at"):
            world.remote(**github.entry()).offers()
    github.releases[0]["published_at"] = None
    github.asset(image("3.22.1"))["browser_download_url"] = "https://["
    github._serve()
    remote = world.remote(**github.entry())
    with pytest.raises(InfrastructureError, match="an address that is none"):
        world.brought(remote, only(remote.offers()))
    with pytest.raises(UsageError, match="is no regular expression"):
        world.remote(**github.entry(images=[{"name": "a-1", "asset": "("}]))


def test_files_that_cannot_be_told_apart(world: World, github: Github, tmp_path: Path) -> None:
    github.release("1", {"a.qcow2": disk(tmp_path), "b.qcow2": b"", "c.bin": b""}, "2026-11-01")
    two = [{"name": "a-1", "asset": r".*\.qcow2"}]
    with pytest.raises(UsageError, match="fits several files of one format"):
        world.remote(**github.entry(images=two)).offers()
    unknown = {"name": "a-1", "asset": r"c\.bin"}
    with pytest.raises(UsageError, match="is of no known format"):
        world.remote(**github.entry(images=[unknown])).offers()
    (offer,) = world.remote(**github.entry(images=[unknown | {"format": "raw"}])).offers()
    assert only(offer.images).format == "raw"
