# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages and job artifacts of a GitLab project, with records as GitLab's documentation has them.

The pages are doc/api/packages.md, pipelines.md, jobs.md and job_artifacts.md of GitLab.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builder.downloads import files
from builder.errors import InfrastructureError
from tests.integration.apiserver import Api, Reply, as_json, running, serve
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

PROJECT = "cloud/images"
SECRET = "glpat-do-not-tell-anybody"
BASE = "/api/v4/projects/cloud%2Fimages"
ASSET = r"rocky-10-(?P<version>[0-9.]+)\.qcow2"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(files, "PAUSE", 0.0)
    monkeypatch.setenv("GITLAB_TOKEN", SECRET)
    return make_world(tmp_path, monkeypatch)


@dataclass
class Gitlab:
    """GitLab's API, and the host that it redirects downloads to."""

    api: Api
    storage: Api
    packages: list[dict[str, Any]] = field(default_factory=list)

    def package(self, version: str, content: list[tuple[str, bytes]], **more: Any) -> None:
        """A version of the package `machines`; of files with one name, the last is the newest."""
        number = len(self.packages) + 1
        made = {
            "id": number,
            "name": "machines",
            "version": version,
            "package_type": "generic",
            "status": "default",
            "_links": {"web_path": f"/{PROJECT}/-/packages/{number}"},
            "created_at": f"2026-11-{number:02}T03:37:38.711Z",
            "tags": [],
        } | more
        self.packages.append(made)
        records = []
        for place, (name, each) in enumerate(content):
            records.append(
                {
                    "id": number * 100 + place,
                    "package_id": number,
                    "created_at": made["created_at"],
                    "file_name": name,
                    "size": len(each),
                    "file_md5": "5" * 32,
                    "file_sha1": "1" * 40,
                    "file_sha256": sha256(each),
                    "pipelines": [],
                }
            )
            path = f"{BASE}/packages/generic/machines/{version}/{name}"
            stored = f"/stored/{number}/{place}?X-Amz-Signature=s3cr3t"
            self.storage.routes[stored] = serve(each)
            self.api.routes[path] = Reply(
                status=302, headers={"Location": self.storage.url + stored}
            )
        # Newest last, and in two pages.
        path = f"{BASE}/packages/{number}/package_files?per_page=100"
        self._pages(path, records)
        query = "package_type=generic&package_name=machines&order_by=created_at&sort=desc"
        self._pages(f"{BASE}/packages?{query}&per_page=100", self.packages[::-1])

    def _pages(self, path: str, records: list[dict[str, Any]]) -> None:
        half = (len(records) + 1) // 2
        link = f'<{self.api.url}{path}&page=2>; rel="next"'
        self.api.routes[path] = as_json(
            records[:half], Link=link, X_Next_Page="2", X_Per_Page=str(half)
        )
        self.api.routes[f"{path}&page=2"] = as_json(records[half:])

    def job(self, content: dict[str, bytes], pipeline: int = 6, number: int = 7) -> bytes:
        """A pipeline of main with one job that has files; its archive."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("out/", b"")
            for name, each in content.items():
                archive.writestr(name, each)
        size = len(packed.getvalue())
        query = "ref=main&status=success&order_by=id&sort=desc&per_page=1"
        self.api.routes[f"{BASE}/pipelines?{query}"] = as_json(
            [
                {
                    "id": pipeline,
                    "iid": 2,
                    "project_id": 1,
                    "status": "success",
                    "source": "schedule",
                    "ref": "main",
                    "sha": "0ff3ae198f8601a285adcf5c0fff204ee6fba5fd",
                    "created_at": "2026-11-20T06:00:00.000Z",
                    "updated_at": "2026-11-20T07:42:54.871Z",
                }
            ]
        )
        record = {
            "id": number,
            "name": "build",
            "stage": "build",
            "status": "success",
            "ref": "main",
            "created_at": "2026-11-20T06:00:00.000Z",
            "finished_at": "2026-11-20T07:42:54.871Z",
            "artifacts_file": {"filename": "artifacts.zip", "size": size},
            "artifacts": [
                {
                    "file_type": "archive",
                    "size": size,
                    "filename": "artifacts.zip",
                    "file_format": "zip",
                },
                {"file_type": "trace", "size": 9, "filename": "job.log", "file_format": None},
            ],
            "artifacts_expire_at": "2026-12-20T07:42:54.871Z",
            "pipeline": {"id": pipeline, "project_id": 1, "ref": "main", "status": "success"},
        }
        other = record | {"id": number + 1, "name": "test", "artifacts": []}
        self.api.routes[f"{BASE}/pipelines/{pipeline}/jobs?scope=success&per_page=100"] = as_json(
            [other, record]
        )
        folder = f"{BASE}/jobs/{number}/artifacts"
        self.api.routes[folder] = serve(packed.getvalue(), "application/zip")
        for name, each in content.items():
            self.api.routes[f"{folder}/{name}"] = serve(each)
        return packed.getvalue()

    def entry(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "gitlab",
            "url": self.api.url,
            "project": PROJECT,
            "token": {"env": "GITLAB_TOKEN"},
            "images": [{"name": "rocky-10", "asset": ASSET, "default_user": "rocky"}],
        } | more


@pytest.fixture
def gitlab() -> Iterator[Gitlab]:
    with running() as api, running() as storage:
        api.token = ("PRIVATE-TOKEN", SECRET)
        yield Gitlab(api, storage)


def image(version: str) -> str:
    return f"rocky-10-{version}.qcow2"


def test_packages_come_page_by_page_and_the_newest_file_counts(
    world: World, gitlab: Gitlab, tmp_path: Path
) -> None:
    gitlab.package("10.1", [(image("10.1"), disk(tmp_path))])
    new = disk(tmp_path)
    gitlab.package("10.2", [(image("10.2"), disk(tmp_path)), ("x", b""), (image("10.2"), new)])
    gitlab.package("10.3", [(image("10.3"), b"")], status="hidden")
    gitlab.package("10.4", [(image("10.4"), b"")], name="machines-old")
    remote = world.remote(**gitlab.entry(package="machines"))
    assert remote.url == f"{gitlab.api.url}{BASE}"
    offers = remote.offers()
    assert [(offer.version, offer.serial) for offer in offers] == [
        ("10.1", "20261101.337"),
        ("10.2", "20261102.337"),
    ]
    assert only(offers[-1].images).digest == sha256(new)
    _, manifest = world.brought(remote, offers[-1])
    assert only(manifest.files).sha256 == sha256(new)
    assert manifest.origin.url.endswith(f"/packages/generic/machines/10.2/{image('10.2')}")
    assert "s3cr3t" not in manifest.model_dump_json()
    assert gitlab.storage.asked("/stored/")
    assert no_secret(gitlab.storage, SECRET)


def test_a_package_with_signed_digests(world: World, gitlab: Gitlab, tmp_path: Path) -> None:
    content = {image("10.1"): disk(tmp_path)}
    with key_home() as home:
        seal = Seal.make(home, tmp_path, "theirs")
        listed = sums(content)
        signed = {"SHA256SUMS": listed, "SHA256SUMS.asc": seal.signer.detached(listed)}
        gitlab.package("1", list((content | signed).items()))
        entry = gitlab.entry(
            package="machines",
            checksums="SHA256SUMS",
            signature="SHA256SUMS.asc",
            keyring=str(seal.keyring),
        )
        remote = world.remote(**entry)
        _, manifest = world.brought(remote, only(remote.offers()))
        assert manifest.origin.signed_by == seal.signer.fingerprint
        gitlab.package("2", list(content.items()))
        with pytest.raises(InfrastructureError, match="machines 2 of cloud/images has no SHA256"):
            world.remote(**entry).offers()


@pytest.mark.parametrize("listed", [True, False])
def test_artifacts_of_a_branch_s_newest_good_pipeline(
    world: World, gitlab: Gitlab, tmp_path: Path, *, listed: bool
) -> None:
    content = {image("10.1"): disk(tmp_path), image("10.1") + ".log": b"log"}
    found = {f"out/{name}": each for name, each in content.items()}
    found |= {"out/SHA256SUMS": sums(content), "big": b"x" * 3_000_000}
    archive = gitlab.job(found, pipeline=20261120, number=12345678901)
    more = {"checksums": "out/SHA256SUMS"} if listed else {}
    remote = world.remote(**gitlab.entry(job="build", branch="main", **more))
    offer = only(remote.offers())
    assert (offer.serial, offer.version) == ("20261120.742", "10.1")
    assert ("not signed" if listed else "no digest is published") in offer.vouched
    parts = [asked for asked in gitlab.api.asked("/artifacts") if asked.headers["Range"]]
    assert bool(parts) is not listed
    assert len(archive) > sum(len(part.headers["Range"]) for part in parts)
    _, manifest = world.brought(remote, offer)
    assert only(manifest.files).sha256 == sha256(content[image("10.1")])
    assert manifest.origin.url.endswith(f"/jobs/12345678901/artifacts/out/{image('10.1')}")


def test_a_job_s_number_is_no_day(world: World, gitlab: Gitlab, tmp_path: Path) -> None:
    gitlab.job({"rocky.qcow2": disk(tmp_path)}, number=20251120)
    images = [{"name": "rocky-10", "asset": r"rocky\.qcow2"}]
    remote = world.remote(**gitlab.entry(job="build", pipeline=6, images=images))
    offer = only(remote.offers())
    assert (offer.serial, offer.version) == ("20261120.742", "job 20251120")


def test_an_archive_that_comes_only_whole(world: World, gitlab: Gitlab, tmp_path: Path) -> None:
    archive = gitlab.job({image("10.1"): disk(tmp_path)})
    remote = world.remote(**gitlab.entry(job="build", branch="main"))
    gitlab.api.routes[f"{BASE}/jobs/7/artifacts"] = Reply(archive)
    with pytest.raises(InfrastructureError, match="is not sent in parts") as caught:
        remote.offers()
    assert "checksums" in caught.value.hint
    gitlab.api.routes[f"{BASE}/jobs/7/artifacts"] = serve(b"x" * len(archive))
    with pytest.raises(InfrastructureError, match="is no zip archive"):
        remote.offers()


def test_what_is_not_there(world: World, gitlab: Gitlab) -> None:
    packages, job = gitlab.entry(package="machines"), gitlab.entry(job="build", branch="main")
    with pytest.raises(InfrastructureError, match="is not there"):
        world.remote(**packages).offers()
    gitlab.package("1", [], name="machines-old")
    with pytest.raises(InfrastructureError, match="has no generic package machines"):
        world.remote(**packages).offers()
    gitlab.job({})
    query = "ref=main&status=success&order_by=id&sort=desc&per_page=1"
    with pytest.raises(InfrastructureError, match="has no successful job deploy"):
        world.remote(**job | {"job": "deploy"}).offers()
    with pytest.raises(InfrastructureError, match="has no artifacts, or none any more"):
        world.remote(**job | {"job": "test"}).offers()
    gitlab.api.routes[f"{BASE}/pipelines?{query}"] = as_json([])
    with pytest.raises(InfrastructureError, match="the branch main of cloud/images has no good"):
        world.remote(**job).offers()


def test_tokens_and_limits(world: World, gitlab: Gitlab, tmp_path: Path) -> None:
    gitlab.package("1", [(image("10.1"), disk(tmp_path))])
    remote = world.remote(**gitlab.entry(package="machines"))
    gitlab.api.hurdles = [Reply(b"Retry later\n", 429, {"Retry-After": "1"})]
    assert remote.offers()
    limited = {"RateLimit-Limit": "60", "RateLimit-Remaining": "0", "RateLimit-Reset": "4102444800"}
    gitlab.api.hurdles = [Reply(b"", 429, limited | {"Retry-After": "900"})]
    with pytest.raises(InfrastructureError, match="asks to wait 900 s"):
        remote.offers()
    gitlab.api.token = ("PRIVATE-TOKEN", "another")
    with pytest.raises(InfrastructureError, match="has expired, or was revoked") as caught:
        remote.offers()
    assert SECRET not in caught.value.message + caught.value.hint


def test_a_file_that_was_replaced_meanwhile(world: World, gitlab: Gitlab, tmp_path: Path) -> None:
    gitlab.package("1", [(image("10.1"), disk(tmp_path))])
    remote = world.remote(**gitlab.entry(package="machines"))
    offer = only(remote.offers())
    gitlab.package("1", [(image("10.1"), disk(tmp_path))])
    with pytest.raises(InfrastructureError, match=r"its sha256 is another|should have"):
        world.brought(remote, offer)
    assert not_kept(world) == []
    sign_in = Reply(b"<html>Sign in</html>", headers={"Content-Type": "text/html"})
    gitlab.storage.routes = dict.fromkeys(gitlab.storage.routes, sign_in)
    with pytest.raises(InfrastructureError, match="is a web page"):
        world.brought(remote, offer)
    assert not_kept(world) == []
