# SPDX-License-Identifier: GPL-2.0-or-later
"""A store on a web server: read in parts, and never with less or more than it should be."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from builder.downloads import pieces
from builder.errors import InfrastructureError, UsageError
from builder.store import fetching, reading
from builder.store.https import HttpsPlace
from builder.store.index import Digest
from builder.store.memory import Memory
from builder.store.open import open_readable
from tests.unit.stores import NOW, Seal, build, publisher, put

CONTENT = os.urandom(3_000_000)
WANTED = Digest(name="image", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())

Answer = Callable[["Handler", bytes], None]


class Server(ThreadingHTTPServer):
    """Serves a folder, in the way that a test wants."""

    daemon_threads = True

    def __init__(self, folder: Path, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.answer = answer
        self.ranges: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away in the middle is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/store"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range", ""))
        file = self.server.folder / self.path.removeprefix("/store/")
        if file.is_file():
            self.server.answer(self, file.read_bytes())
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_arguments: object) -> None:
        pass

    def send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def in_parts(handler: Handler, content: bytes) -> None:
    """As web servers do."""
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if found is None:
        handler.send(200, content)
        return
    begin = int(found[1])
    if begin >= len(content):
        handler.send(416, b"", Content_Range=f"bytes */{len(content)}")
        return
    told = f"bytes {begin}-{len(content) - 1}/{len(content)}"
    handler.send(206, content[begin:], Content_Range=told)


def whole(handler: Handler, content: bytes) -> None:
    """As servers do that do not know parts."""
    handler.send(200, content)


def cut_off(handler: Handler, content: bytes) -> None:
    """The connection ends before the file does."""
    handler.send(200, content[: len(content) // 2], Content_Length=str(len(content)))


def other_part(handler: Handler, content: bytes) -> None:
    """Another part than the one that was asked for."""
    begin = len(content) - 10
    handler.send(206, content[begin:], Content_Range=f"bytes {begin}-{len(content) - 1}/*")


def untold_part(handler: Handler, content: bytes) -> None:
    handler.send(206, content)


def endless(handler: Handler, _content: bytes) -> None:
    """Content without a size and without an end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answer], Server]]:
    running: list[Server] = []

    def start(answer: Answer) -> Server:
        folder = tmp_path / "store"
        folder.mkdir(exist_ok=True)
        (folder / "image").write_bytes(CONTENT)
        server = Server(folder, answer)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def read(place: HttpsPlace, path: str, offset: int = 0) -> bytes:
    with place.open(path, offset) as file:
        return file.read()


@pytest.mark.parametrize("answer", [in_parts, whole])
def test_any_part_can_be_read(answer: Answer, serve: Callable[[Answer], Server]) -> None:
    place = HttpsPlace.at(f"{serve(answer).url}/")
    assert place.size("image") == len(CONTENT)
    for offset in (0, 1, 100_000, len(CONTENT) - 1, len(CONTENT)):
        assert read(place, "image", offset) == CONTENT[offset:]
    assert place.size("none") is None
    with pytest.raises(FileNotFoundError):
        read(place, "none")
    with pytest.raises(UsageError):
        place.size("../image")


@pytest.mark.parametrize("answer", [in_parts, whole])
def test_a_fetch_goes_on(answer: Answer, serve: Callable[[Answer], Server], tmp_path: Path) -> None:
    target = tmp_path / "image"
    with pytest.raises(InfrastructureError, match="the connection broke"):
        fetching.fetch(HttpsPlace.at(serve(cut_off).url), "image", WANTED, target)
    assert not target.exists()
    server = serve(answer)
    fetching.fetch(HttpsPlace.at(server.url), "image", WANTED, target)
    assert target.read_bytes() == CONTENT
    (asked,) = server.ranges
    assert asked.startswith("bytes=")
    assert asked != "bytes=0-"


@pytest.mark.parametrize(
    ("answer", "offset", "words"),
    [
        (other_part, 5, "comes from its byte 2999990 on, and not from 5"),
        (untold_part, 5, "comes in a part that is not told"),
        (untold_part, 0, "answers 206"),
        (lambda handler, _: handler.send(403, b""), 0, "answers 403"),
        (lambda handler, _: handler.send(500, b""), 0, "answers 500"),
        (
            lambda handler, _: handler.send(302, b"", Location="http://elsewhere.invalid/image"),
            0,
            "redirects to an address without https",
        ),
    ],
)
def test_what_is_no_answer(
    answer: Answer, offset: int, words: str, serve: Callable[[Answer], Server]
) -> None:
    place = HttpsPlace.at(serve(answer).url)
    with pytest.raises(InfrastructureError, match=words):
        read(place, "image", offset)


def test_a_refusal_is_not_an_absence(serve: Callable[[Answer], Server]) -> None:
    place = HttpsPlace.at(serve(lambda handler, _: handler.send(403, b"")).url)
    with pytest.raises(InfrastructureError, match="answers 403"):
        place.size("image")


def test_a_server_that_is_not_there(serve: Callable[[Answer], Server]) -> None:
    server = serve(whole)
    server.shutdown()
    server.server_close()
    with pytest.raises(InfrastructureError, match="cannot be reached"):
        HttpsPlace.at(server.url).size("image")


def test_an_endless_file_is_cut_off(serve: Callable[[Answer], Server], tmp_path: Path) -> None:
    place = HttpsPlace.at(serve(endless).url)
    with pytest.raises(InfrastructureError, match="is larger than it may be"):
        fetching.fetch(place, "image", WANTED, tmp_path / "image")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    with pytest.raises(InfrastructureError, match="has no size"):
        place.size("image")


def test_a_server_that_drips_is_left(
    serve: Callable[[Answer], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends enough for the timeout of a connection, and too little for anybody to wait for."""
    ended = threading.Event()

    def drip(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for at in range(100):
            handler.wfile.write(content[at : at + 1])
            if ended.wait(0.05):
                return

    monkeypatch.setattr(pieces, "GRACE", 0.2)
    place = HttpsPlace.at(serve(drip).url)
    try:
        with pytest.raises(InfrastructureError, match="too slowly"):
            fetching.fetch(place, "image", WANTED, tmp_path / "image")
    finally:
        ended.set()


def test_a_published_build_is_read(serve: Callable[[Answer], Server], tmp_path: Path) -> None:
    done = put(publisher(tmp_path), build(tmp_path / "out", "20261121"))
    place = open_readable(serve(in_parts).url)
    assert reading.is_store(place)
    index = reading.read(place, Seal(), Memory(tmp_path / "reader"), NOW)
    assert index == done.index
    (image,) = done.build.images
    fetching.fetch(place, f"{done.folder}/{image.name}", image, tmp_path / image.name)
    assert (tmp_path / image.name).read_bytes() == b"image"
