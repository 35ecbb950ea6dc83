# SPDX-License-Identifier: GPL-2.0-or-later
"""Red Hat Enterprise Linux: an API behind a login, as its documentation describes it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from builder.downloads import files
from builder.downloads.wanted import Wanted
from builder.errors import InfrastructureError, UsageError
from builder.upstream import finding
from builder.upstream.finding import Found
from tests.integration.apiserver import Asked, Reply, as_json, serve
from tests.integration.upstreams import Upstreams, told, upstreams

SSO = "https://sso.redhat.com/auth/realms/redhat-external/protocol/openid-connect/token"
IMAGES = "https://api.access.redhat.com/management/v1/images"
SET = f"{IMAGES}/cset/rhel-9-for-x86_64-baseos-isos"
OFFLINE = "offline-secret"
CONTENT = b"QFI\xfb" + b"an image" * 512


@dataclass
class RedHat:
    """Both servers: tokens are numbered, and only the newest one is good."""

    servers: Upstreams
    lasts: object = 900
    issued: int = 0
    pages: list[dict[str, str]] = field(default_factory=list)

    def token(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        wanted = {
            "grant_type": "refresh_token",
            "client_id": "rhsm-api",
            "refresh_token": OFFLINE,
        }
        if asked.method != "POST" or form != wanted:
            return replace(as_json({"error": "invalid_grant"}), status=400)
        self.issued += 1
        told = {"access_token": f"access-secret-{self.issued}", "expires_in": self.lasts}
        return as_json({name: value for name, value in told.items() if value is not None})

    def is_in(self, asked: Asked) -> bool:
        return asked.headers["Authorization"] == f"Bearer access-secret-{self.issued}"

    def listed(self, asked: Asked) -> Reply:
        if not self.is_in(asked):
            return replace(as_json({"error": "expired"}), status=401)
        query = parse_qs(urlsplit(asked.path).query)
        first, count = int(query["offset"][0]), int(query["limit"][0])
        return as_json({"pagination": {}, "body": self.pages[first : first + count]})

    def download(self, asked: Asked) -> Reply:
        if not self.is_in(asked):
            return replace(as_json({"error": "expired"}), status=401)
        cdn = self.servers.server.url.replace("127.0.0.1", "localhost")
        signed = f"{cdn}/cdn/image?_auth_=signed-secret"
        return Reply(status=307, headers={"Location": signed})


@pytest.fixture
def redhat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedHat]:
    monkeypatch.setenv("RHEL_OFFLINE_TOKEN", OFFLINE)
    with upstreams(tmp_path, monkeypatch) as servers:
        servers.use("rhel")
        made = RedHat(servers)
        servers.put(SSO, made.token)
        servers.put(SET, made.listed)
        servers.put("https://cdn/image", serve(CONTENT))
        yield made


def image(name: str, **more: Any) -> dict[str, str]:
    digest = hashlib.sha256(CONTENT if "kvm" in name else name.encode()).hexdigest()
    known = {
        "arch": "x86_64",
        "checksum": digest,
        "datePublished": "2025-05-20T07:08:09.000Z",
        "downloadHref": f"{IMAGES}/{digest}/download",
        "filename": name,
        "imageName": "Red Hat Enterprise Linux KVM Guest Image",
    }
    return known | more


def put(redhat: RedHat, *versions: str) -> None:
    """Images of some versions, among others."""
    names = ("rhel-{}-x86_64-dvd.iso", "rhel-{}-x86_64-kvm.qcow2", "rhel-{}-x86_64-boot.iso")
    redhat.pages = [image(name.format(each)) for each in versions for name in names]
    for each in redhat.pages:
        redhat.servers.put(each["downloadHref"], redhat.download)


def newest(redhat: RedHat) -> Found:
    return redhat.servers.newest("rhel", "rhel-9")


def test_the_newest_minor_release(redhat: RedHat) -> None:
    put(redhat, "9.6", "9.10", "9.8")
    found = newest(redhat)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert told(found) == (f"{IMAGES}/{digest}/download", f"sha256:{digest}", "20250520.708")
    assert found.candidate.file == "rhel-9.10-x86_64-kvm.qcow2"
    assert found.offer.version == "9.10"
    assert "not signed" in found.offer.vouched


def test_all_pages_are_read(redhat: RedHat) -> None:
    put(redhat, *(f"9.{number}" for number in range(70)))
    assert newest(redhat).offer.version == "9.69"
    assert len(redhat.servers.server.asked("cset")) == 3


def test_a_day_is_a_time_as_well(redhat: RedHat) -> None:
    put(redhat, "9.6")
    redhat.pages[1]["datePublished"] = "2025-05-20"
    assert told(newest(redhat))[2] == "20250520"


def test_what_is_not_released_has_no_versions(redhat: RedHat) -> None:
    with pytest.raises(InfrastructureError, match="no version of rhel-9"):
        newest(redhat)


def test_one_token_serves_all_images(redhat: RedHat) -> None:
    put(redhat, "9.6")
    arm = f"{IMAGES}/cset/rhel-9-for-aarch64-baseos-isos"
    redhat.servers.put(arm, redhat.listed)
    redhat.pages.append(image("rhel-9.6-aarch64-kvm.qcow2"))
    asking = redhat.servers.asking()
    series = redhat.servers.series("rhel")
    for name in ("rhel-9", "rhel-9-arm64"):
        assert finding.newest(series[name], asking).offer.version == "9.6"
    assert redhat.issued == 1


# Without a word, one is good for five minutes.
@pytest.mark.parametrize(("lasts", "issued"), [(0, 2), (29, 2), (31, 1), (900, 1), (None, 1)])
def test_a_token_is_renewed_before_its_end(
    redhat: RedHat, tmp_path: Path, lasts: int | None, issued: int
) -> None:
    redhat.lasts = lasts
    put(redhat, "9.6")
    fetch(redhat, newest(redhat), tmp_path / "image")
    # One page, and one image.
    assert redhat.issued == issued


def fetch(redhat: RedHat, found: Found, target: Path) -> None:
    ((address, client),) = found.places(redhat.servers.asking())
    assert found.candidate.checksum is not None
    files.fetch(client, address, Wanted(checksum=found.candidate.checksum), target)


def test_the_image_comes_by_a_redirect_and_no_secret_is_told(
    redhat: RedHat, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    put(redhat, "9.6")
    found = newest(redhat)
    fetch(redhat, found, tmp_path / "image")
    assert (tmp_path / "image").read_bytes() == CONTENT
    (cdn,) = redhat.servers.server.asked("/cdn/")
    assert cdn.headers["Authorization"] is None
    kept = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    seen = f"{caplog.text} {found!r} {found.candidate.login!r} {kept!r}"
    asked = " ".join(each.path for each in redhat.servers.server.log if each is not cdn)
    for secret in (OFFLINE, "access-secret", "signed-secret"):
        assert secret not in seen
        assert secret not in asked


@pytest.mark.parametrize("status", [400, 401])
def test_an_offline_token_that_has_lapsed(redhat: RedHat, status: int) -> None:
    answer = replace(as_json({"error": "invalid_grant", "was": OFFLINE}), status=status)
    redhat.servers.put(SSO, answer)
    with pytest.raises(InfrastructureError, match="does not accept the offline token") as failed:
        newest(redhat)
    assert "30 days" in (failed.value.hint or "")
    assert OFFLINE not in f"{failed.value} {failed.value.hint}"


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b"<html>busy</html>"),
        as_json({"access_token": ["a-secret"]}),
        as_json({"access_token": "a-secret", "expires_in": "never"}),
        Reply(status=302, headers={"Location": "/elsewhere"}),
        Reply(b" " * (1 << 17)),
    ],
)
def test_a_login_server_that_says_nonsense(redhat: RedHat, answer: Reply) -> None:
    redhat.servers.put(SSO, answer)
    with pytest.raises(InfrastructureError) as failed:
        newest(redhat)
    assert "a-secret" not in f"{failed.value} {failed.value.hint}"
    assert not redhat.servers.server.asked("/elsewhere")


def test_an_api_that_does_not_accept_the_token(redhat: RedHat) -> None:
    put(redhat, "9.6")
    redhat.servers.put(SET, replace(as_json({}), status=401))
    with pytest.raises(InfrastructureError, match="does not accept the token"):
        newest(redhat)


def test_an_account_without_a_subscription(redhat: RedHat) -> None:
    redhat.servers.put(SET, replace(as_json({}), status=403))
    with pytest.raises(InfrastructureError, match=r"forbidden \(403\)"):
        newest(redhat)


def test_too_many_requests(redhat: RedHat) -> None:
    limited = replace(as_json({}), status=429, headers={"Retry-After": "3600"})
    redhat.servers.put(SSO, limited)
    with pytest.raises(InfrastructureError, match="asks to wait 3600 s"):
        newest(redhat)


def test_the_login_is_not_taken_to_another_server(redhat: RedHat) -> None:
    put(redhat, "9.6")
    redhat.pages[1]["downloadHref"] = "https://elsewhere.example/image"
    with pytest.raises(InfrastructureError, match="at another server"):
        newest(redhat)


@pytest.mark.parametrize("field_", ["checksum", "downloadHref", "filename"])
def test_an_image_without_what_it_needs(redhat: RedHat, field_: str) -> None:
    put(redhat, "9.6")
    del redhat.pages[1][field_]
    with pytest.raises(InfrastructureError, match=f"body.1.{field_}"):
        newest(redhat)


def test_the_token_may_be_in_a_file(redhat: RedHat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RHEL_OFFLINE_TOKEN")
    put(redhat, "9.6")
    assert not redhat.servers.series("rhel")["rhel-9"].supplied
    with pytest.raises(UsageError, match=r"offline token in \$RHEL_OFFLINE_TOKEN"):
        newest(redhat)
    assert not redhat.servers.server.log, "nobody was asked"
    index = {
        "kind": "rhel",
        "content_set": "rhel-{release}-for-{arch}-baseos-isos",
        "token": {"file": "offline.token"},
    }
    redhat.servers.use("rhel", index=index)
    place = redhat.servers.folder / "upstreams/offline.token"
    place.write_text(f"{OFFLINE}\n", encoding="utf-8")
    place.chmod(0o640)
    with pytest.raises(UsageError, match="others than its owner can read"):
        newest(redhat)
    place.chmod(0o600)
    assert newest(redhat).offer.version == "9.6"
