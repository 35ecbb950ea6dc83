# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads from servers that are slow, broken, or lie: whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from builder.checksums import Checksum
from builder.downloads import files, partial, pieces, session
from builder.downloads.client import Absent, Client
from builder.downloads.documents import Documents
from builder.downloads.pieces import WrongContent
from builder.downloads.wanted import Wanted
from builder.errors import InfrastructureError
from builder.store.https import HttpsPlace
from tests.integration.apiserver import Answer, Api, Asked, Reply, as_json, running, serve

CONTENT = os.urandom(600_000)
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
SHA512 = Checksum("sha512", hashlib.sha512(CONTENT).hexdigest())
OTHER = Checksum("sha256", "0" * 64)
SECRET = "do-not-tell-anybody"


@pytest.fixture
def server() -> Iterator[Api]:
    with running() as made:
        made.routes["/image"] = serve(CONTENT)
        yield made


@pytest.fixture
def other() -> Iterator[Api]:
    with running() as made:
        yield made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PAUSE", 0.0)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("checksum", [SHA256, SHA512, None])
def test_a_file_comes_with_its_digests(
    server: Api, tmp_path: Path, checksum: Checksum | None
) -> None:
    told: list[int] = []
    wanted = Wanted(len(CONTENT), checksum)
    target = tmp_path / "image"
    done = files.fetch(Client(server.url), f"{server.url}/image", wanted, target, told.append)
    assert target.read_bytes() == CONTENT
    assert (done.size, done.transferred) == (len(CONTENT), len(CONTENT))
    assert (done.sha256, done.sha512) == (SHA256.value, SHA512.value)
    assert sum(told) == len(CONTENT)
    assert kept(tmp_path) == ["image"]
    assert server.log[0].headers["User-Agent"].startswith("fai-forge/")
    again = files.fetch(Client(server.url), f"{server.url}/image", wanted, target)
    assert (again.transferred, len(server.log)) == (0, 1)


def test_a_line_that_is_cut_a_hundred_times(server: Api, tmp_path: Path) -> None:
    dice, cuts = random.Random(7), [0]  # noqa: S311

    def cutting(asked: Asked) -> Reply:
        cuts[0] += 1
        whole = cuts[0] > 100
        return serve(CONTENT, cut=None if whole else dice.randrange(1, 8000))(asked)

    server.routes["/image"] = cutting
    wanted = Wanted(len(CONTENT), SHA256)
    done = files.fetch(Client(server.url), f"{server.url}/image", wanted, tmp_path / "image")
    assert (done.sha256, done.transferred, cuts[0]) == (SHA256.value, len(CONTENT), 101)


def test_a_later_call_goes_on(server: Api, tmp_path: Path) -> None:
    server.routes["/image"] = serve(CONTENT, cut=0)
    server.hurdles = [serve(CONTENT, cut=200_000)]
    target = tmp_path / "image"
    with pytest.raises(InfrastructureError, match="breaks off after 200000 of 600000 bytes"):
        files.fetch(Client(server.url), f"{server.url}/image", Wanted(), target)
    assert not target.exists()
    server.routes["/image"] = serve(CONTENT)
    done = files.fetch(Client(server.url), f"{server.url}/image", Wanted(), target)
    assert (done.sha256, done.transferred) == (SHA256.value, 400_000)
    assert kept(tmp_path) == ["image"]


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_changed_is_begun_anew(server: Api, tmp_path: Path, *, known: bool) -> None:
    old = os.urandom(500_000)
    server.hurdles = [serve(old, cut=100_000), Reply(status=400)]
    target = tmp_path / "image"
    wanted = Wanted(checksum=SHA256 if known else None)
    with pytest.raises(InfrastructureError, match="answers 400"):
        files.fetch(Client(server.url), f"{server.url}/image", wanted, target)
    assert len(kept(tmp_path)) == 2
    done = files.fetch(Client(server.url), f"{server.url}/image", wanted, target)
    assert (done.sha256, done.transferred) == (SHA256.value, len(CONTENT))
    assert server.log[-1].headers["If-Range"]


def test_a_part_without_a_mark_is_not_added_to(server: Api, tmp_path: Path) -> None:
    target = tmp_path / "image"
    partial.path_of(target).write_bytes(b"x" * 1000)
    done = files.fetch(Client(server.url), f"{server.url}/image", Wanted(), target)
    assert (done.sha256, done.transferred) == (SHA256.value, len(CONTENT))


def test_a_part_of_another_file_is_not_added_to(server: Api, tmp_path: Path) -> None:
    asking, url, target = Client(server.url), f"{server.url}/image", tmp_path / "image"
    server.hurdles = [Reply(os.urandom(9000), cut=5000), Reply(status=400)]
    with pytest.raises(InfrastructureError, match="answers 400"):
        files.fetch(asking, url, Wanted(checksum=OTHER), target)
    assert files.fetch(asking, url, Wanted(checksum=SHA256), target).transferred == len(CONTENT)


def test_a_line_may_break_a_few_times_without_a_byte(server: Api, tmp_path: Path) -> None:
    server.hurdles = [serve(CONTENT, cut=0)] * 4
    target = tmp_path / "image"
    assert files.fetch(Client(server.url), f"{server.url}/image", Wanted(), target).size
    assert len(server.log) == 5


def test_a_server_without_parts(server: Api, tmp_path: Path) -> None:
    answers = iter([Reply(CONTENT, cut=1000), Reply(CONTENT, cut=5000), Reply(CONTENT)])
    server.routes["/image"] = lambda _: next(answers)
    wanted = Wanted(checksum=SHA256)
    done = files.fetch(Client(server.url), f"{server.url}/image", wanted, tmp_path / "image")
    assert done.sha256 == SHA256.value


PAGE = b"<!DOCTYPE html><title>Not here</title>"
LIES: dict[str, tuple[Answer | Reply, Wanted, str]] = {
    "hash": (serve(CONTENT), Wanted(checksum=OTHER), "its sha256 is another"),
    "longer": (serve(CONTENT), Wanted(1000, SHA256), "has 600000 bytes, and should have 1000"),
    "shorter": (serve(CONTENT), Wanted(10**6, SHA256), "has 600000 bytes, and should have 1000000"),
    "html": (serve(PAGE, "text/html; charset=utf-8"), Wanted(), "is a web page"),
    "head": (
        serve(PAGE),
        Wanted(looks=lambda head: "is odd" if head[:1] == b"<" else ""),
        "is odd",
    ),
    "endless": (Reply(endless=True), Wanted(largest=10**6), "larger than it may be"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies(server: Api, tmp_path: Path, lie: str) -> None:
    server.routes["/image"], wanted, words = LIES[lie]
    with pytest.raises(WrongContent, match=words):
        files.fetch(Client(server.url), f"{server.url}/image", wanted, tmp_path / "image")
    assert kept(tmp_path) == []


def test_an_end_that_may_be_early_is_none(server: Api, tmp_path: Path) -> None:
    asking, url, target = Client(server.url), f"{server.url}/image", tmp_path / "image"
    server.routes["/image"] = Reply(CONTENT[:1000], untold=True)
    with pytest.raises(InfrastructureError, match="comes without a size"):
        files.fetch(asking, url, Wanted(), target)
    with pytest.raises(InfrastructureError, match="its sha512 is another"):
        files.fetch(asking, url, Wanted(checksum=SHA512), target)
    server.routes["/image"] = Reply(CONTENT, untold=True)
    assert files.fetch(asking, url, Wanted(checksum=SHA512), target).size == len(CONTENT)


def test_a_server_without_parts_that_always_breaks(server: Api, tmp_path: Path) -> None:
    server.routes["/image"] = Reply(CONTENT, cut=1000)
    with pytest.raises(InfrastructureError, match="breaks off after 1000 of 600000 bytes"):
        files.fetch(Client(server.url), f"{server.url}/image", Wanted(), tmp_path / "image")
    assert len(server.log) < 10


def test_two_at_once(server: Api, tmp_path: Path) -> None:
    target = tmp_path / "image"
    with (
        partial.held(target),
        pytest.raises(InfrastructureError, match="another process fetches"),
    ):
        files.fetch(Client(server.url), f"{server.url}/image", Wanted(), target)


def test_a_full_disk_is_told_and_gone_on_from(server: Api, tmp_path: Path) -> None:
    asking, url, target = Client(server.url), f"{server.url}/image", tmp_path / "image"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(InfrastructureError, match="cannot be written: File too large"):
            files.fetch(asking, url, Wanted(len(CONTENT), SHA256), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not target.exists()
    done = files.fetch(asking, url, Wanted(len(CONTENT), SHA256), target)
    assert 0 < done.transferred < len(CONTENT)


def test_more_than_there_is_room_for_is_not_begun(
    server: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(InfrastructureError, match="needs 599999 more bytes than"):
        files.fetch(Client(server.url), f"{server.url}/image", Wanted(), tmp_path / "image")


def test_a_part_that_is_longer_than_the_file(server: Api, tmp_path: Path) -> None:
    target, told = tmp_path / "image", [0]
    server.hurdles = [serve(os.urandom(700_000), cut=650_000), Reply(status=400)]
    asking, url = Client(server.url), f"{server.url}/image"
    with pytest.raises(InfrastructureError, match="answers 400"):
        files.fetch(asking, url, Wanted(checksum=SHA256), target)
    wanted = Wanted(len(CONTENT), SHA256)
    assert files.fetch(asking, url, wanted, target, told.append).sha256 == SHA256.value
    assert sum(told) == len(CONTENT)


def test_a_file_that_is_there_is_not_overwritten(server: Api, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"mine")
    with pytest.raises(InfrastructureError, match="is there, and is another file"):
        files.fetch(
            Client(server.url), f"{server.url}/image", Wanted(checksum=SHA256), tmp_path / "image"
        )


def test_a_server_that_asks_to_wait_gets_time(server: Api) -> None:
    busy = Reply(b"busy", 429, {"Retry-After": "0"})
    server.hurdles = [busy, Reply(b"", 503, {"Retry-After": "1"}), Reply(b"", 502)]
    with Client(server.url).get(f"{server.url}/image") as answer:
        assert answer.content == CONTENT
    assert len(server.log) == 4


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b"", 429, {"Retry-After": "3600"}), r"\(429\), and asks to wait 3600 s"),
        (Reply(b"", 503, {"Retry-After": "3600"}), r"\(503\), and asks to wait 3600 s"),
        (Reply(b"", 403, {"Retry-After": "3600"}), r"\(403\), and asks to wait 3600 s"),
        (
            Reply(b"", 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}),
            "asks to wait until 2100-01-01 00:00 UTC",
        ),
        (
            Reply(b"", 503, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),
            r"\(503\), and asks to wait until 2100-01-01 00:00 UTC",
        ),
        (Reply(b"", 403), r"is forbidden \(403\)"),
        (Reply(b"", 401), r"wants a login \(401\)"),
        (Reply(b"", 418), "answers 418"),
    ],
)
def test_refusals_say_what_to_do(server: Api, reply: Reply, words: str) -> None:
    server.routes["/image"] = reply
    with (
        pytest.raises(InfrastructureError, match=words) as caught,
        Client(server.url).get(f"{server.url}/image?signature={SECRET}"),
    ):
        pass
    assert caught.value.hint
    assert SECRET not in caught.value.message + caught.value.hint
    assert len(server.log) == 1


def test_a_wait_that_nobody_understands_is_short(server: Api) -> None:
    server.hurdles = [Reply(b"busy", 429, {"Retry-After": "soon"})]
    with Client(server.url).get(f"{server.url}/image") as answer:
        assert answer.content == CONTENT


def test_what_is_not_there(server: Api) -> None:
    with pytest.raises(Absent, match="is not there"), Client(server.url).get(f"{server.url}/x"):
        pass


def test_a_login_goes_to_no_other_host(
    server: Api, other: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for header in session.SECRET:
        server.token, secret = (header, SECRET), {header: SECRET}
        other.routes["/stored"] = serve(CONTENT)
        server.routes["/image"] = Reply(
            status=302, headers={"Location": f"{other.url}/stored?signature=s3cr3t"}
        )
        asking = Client(server.url, lambda secret=secret: secret)  # type: ignore[misc]
        with asking.get(f"{server.url}/image", {"Range": "bytes=10-"}, (206,)) as answer:
            assert answer.content == CONTENT[10:]
        # Not even if it is asked directly, as a document may say.
        with asking.get(f"{other.url}/stored") as answer:
            assert answer.content == CONTENT
    assert len(other.log) == 2 * len(session.SECRET)
    assert SECRET not in "".join(str(asked.headers) for asked in other.log)
    assert SECRET not in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_token_that_expired(server: Api) -> None:
    server.token = ("Authorization", "Bearer new")
    asking = Client(server.url, lambda: {"Authorization": "Bearer old"})
    with (
        pytest.raises(InfrastructureError, match="has expired, or was revoked") as caught,
        asking.get(f"{server.url}/image"),
    ):
        pass
    assert "old" not in caught.value.message


def test_http_is_for_this_machine_only(server: Api) -> None:
    server.routes["/image"] = Reply(status=302, headers={"Location": "http://192.0.2.1/"})
    with (
        pytest.raises(InfrastructureError, match="redirects to an address without https"),
        Client(server.url).get(f"{server.url}/image"),
    ):
        pass
    with (
        pytest.raises(InfrastructureError, match="without https"),
        Client("https://example.org").get(f"{server.url}/image"),
    ):
        pass


ODD = ("https://[x/", "/\xff", "http://127.0.0.1:99999/", "//[", "https://\xff:0x/")


@pytest.mark.parametrize("location", ODD)
def test_a_redirect_to_nowhere_is_told(server: Api, tmp_path: Path, location: str) -> None:
    server.routes["/image"] = Reply(status=302, headers={"Location": location})
    url = f"{server.url}/image"
    with pytest.raises(InfrastructureError), Client(server.url).get(url):
        pass
    with pytest.raises(InfrastructureError):
        files.fetch(Client(server.url), url, Wanted(), tmp_path / "image")
    for method in ("GET", "HEAD"):
        with (
            pytest.raises(InfrastructureError),
            HttpsPlace.at(server.url)._asked(method, "image", {}),
        ):
            pass


def test_what_a_caller_raises_is_its_own(server: Api) -> None:
    for place in (
        Client(server.url).get(f"{server.url}/image"),
        HttpsPlace(server.url).open("image"),
    ):
        with pytest.raises(ValueError, match="mine"), place:
            raise ValueError("mine")


def test_an_address_that_is_none(server: Api) -> None:
    with pytest.raises(InfrastructureError, match="an address that is none"):
        Client(server.url).get("https://[").__enter__()


@pytest.mark.parametrize("size", ["9" * 5000, "\xb2", "-1", ""])
def test_sizes_that_are_none(server: Api, tmp_path: Path, size: str) -> None:
    told = {"Content-Length": size}
    server.routes["/doc"] = Reply(b"", headers=told, untold=True)
    assert Documents(Client(server.url), tmp_path).get(f"{server.url}/doc").content == b""
    with pytest.raises(InfrastructureError, match="has no size"):
        HttpsPlace(server.url).size("doc")
    part = {"Content-Range": f"bytes {'0' * 5000}-1/2"}
    server.routes["/doc"] = Reply(b"x", status=206, headers=part)
    with (
        pytest.raises(InfrastructureError, match="is not told"),
        HttpsPlace(server.url).open("doc", 1),
    ):
        pass


def test_documents_are_asked_for_again_only_after_a_change(server: Api, tmp_path: Path) -> None:
    documents = Documents(Client(server.url), tmp_path / "kept")
    server.routes["/doc"] = serve(b'{"a": 1}', "application/json")
    for _ in range(3):
        assert documents.get(f"{server.url}/doc").json() == {"a": 1}
    assert [bool(asked.headers["If-None-Match"]) for asked in server.log] == [False, True, True]
    (kept_file,) = (tmp_path / "kept").iterdir()
    assert kept_file.stat().st_mode & 0o777 == 0o600
    server.routes["/doc"] = serve(b'{"a": 2}', "application/json")
    assert documents.get(f"{server.url}/doc").json() == {"a": 2}
    kept_file.write_bytes(b"damaged")
    assert documents.get(f"{server.url}/doc").json() == {"a": 2}
    assert server.log[-1].headers["If-None-Match"] is None


def test_documents_that_nobody_asks_for_are_removed(server: Api, tmp_path: Path) -> None:
    documents = Documents(Client(server.url), tmp_path)
    for name in ("used", "forgotten", "new"):
        server.routes[f"/{name}"] = serve(name.encode())
    for name in ("used", "forgotten"):
        documents.get(f"{server.url}/{name}")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    documents.get(f"{server.url}/used")
    documents.get(f"{server.url}/new")
    assert len(kept(tmp_path)) == 2
    documents.get(f"{server.url}/used")
    assert server.log[-1].headers["If-None-Match"]


def test_documents_have_an_end(server: Api, tmp_path: Path) -> None:
    documents = Documents(Client(server.url), tmp_path / "kept")
    server.routes["/doc"] = Reply(endless=True)
    with pytest.raises(InfrastructureError, match="larger than it may be"):
        documents.get(f"{server.url}/doc", largest=10**6)
    server.routes["/doc"] = serve(PAGE, cut=10)
    with pytest.raises(InfrastructureError, match="breaks off in the middle"):
        documents.get(f"{server.url}/doc")
    server.routes["/doc"] = serve(PAGE)
    with pytest.raises(InfrastructureError, match="is no JSON document"):
        documents.get(f"{server.url}/doc").json()


def test_a_next_page_without_an_address(server: Api, tmp_path: Path) -> None:
    documents, url = Documents(Client(server.url), tmp_path / "kept"), f"{server.url}/list"
    link = '<https://[x>; rel="next"'
    server.routes["/list"] = as_json([1], Link=link, ETag='"1"')
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="has an address that is none"):
            documents.get(url)
    server.routes["/list"] = as_json([1], Link="<#>", ETag='"1"')
    documents.get(url)
    (kept_file,) = (tmp_path / "kept").iterdir()
    kept_file.write_bytes(kept_file.read_bytes().replace(b"<#>", b"<//[>; rel=next"))
    assert documents.get(url).following == ""
    assert server.log[-1].headers["If-None-Match"] is None


def test_a_document_that_drips_is_left(
    server: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "GRACE", -1.0)
    monkeypatch.setattr(pieces, "SLOWEST", 1 << 40)
    server.routes["/doc"] = serve(CONTENT)
    with pytest.raises(InfrastructureError, match="too slowly"):
        Documents(Client(server.url), tmp_path).get(f"{server.url}/doc")


def test_pages_follow_links_of_the_same_server(server: Api, other: Api, tmp_path: Path) -> None:
    documents = Documents(Client(server.url), tmp_path / "kept")
    link = f'<{server.url}/list?page=2>; rel="next", <{server.url}/list?page=2>; rel="last"'
    server.routes["/list"] = as_json([1], Link=link, ETag='"1"')
    server.routes["/list?page=2"] = as_json([2], Link=f'<{server.url}/list>; rel="first"')
    for _ in range(2):
        found = [page.json() for page in documents.pages(f"{server.url}/list")]
        assert found == [[1], [2]]
        # Kept, the first page still knows the second one.
        server.hurdles = [Reply(status=304)]
    server.hurdles = []
    server.routes["/list"] = as_json([1], Link=f'<{other.url}/list>; rel="next"')
    with pytest.raises(InfrastructureError, match="on another server"):
        list(documents.pages(f"{server.url}/list"))
    server.routes["/list"] = as_json([1], Link=f'<{server.url}/list>; rel="next"')
    with pytest.raises(InfrastructureError, match="more than 50 pages"):
        list(documents.pages(f"{server.url}/list"))
    assert other.log == []
