# SPDX-License-Identifier: GPL-2.0-or-later
"""Security data from a URL: asked for only if it changed, whole or not at all, kept for a week."""

from __future__ import annotations

import gzip
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder import web
from builder.archive import webcache
from builder.archive.advisories import Advisories, Fix, load
from builder.errors import ArchiveError, InfrastructureError

LIST = b"""\
[20 Nov 2026] DSA-9006-1 nss - security update
\t{CVE-2026-90743}
\t[bookworm] - nss 2:3.87.1-1+deb12u1
"""
NEWER = LIST.replace(b"DSA-9006-1", b"DSA-9007-1")
TRACKER = json.dumps(
    {
        "nss": {
            "CVE-2026-90743": {
                "releases": {
                    "bookworm": {
                        "status": "resolved",
                        "fixed_version": "2:3.87.1-1+deb12u1",
                        "urgency": "high",
                    }
                }
            }
        }
    }
).encode()
WEEK = 7 * 24 * 3600

Answer = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Gives one answer to everything, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        # The condition of each request: an ETag or a date, empty if there was none.
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data"


class Handler(BaseHTTPRequestHandler):
    """Closes the connection after each answer."""

    server: Server

    def do_GET(self) -> None:
        condition = self.headers.get("If-None-Match") or self.headers.get("If-Modified-Since")
        self.server.asked.append(condition or "")
        self.server.answer(self)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send an answer; headers are named with _ for -."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def document(body: bytes, **headers: str) -> Answer:
    """A document, which is not sent again to who has it already."""
    tags = {value for name, value in headers.items() if name in ("ETag", "Last_Modified")}

    def answer(handler: Handler) -> None:
        known = handler.server.asked[-1] in tags
        handler.say(304 if known else 200, b"" if known else body, **headers)

    return answer


def status(code: int) -> Answer:
    return lambda handler: handler.say(code, b"<html>no</html>")


def endless(handler: Handler) -> None:
    handler.say(200, b"x" * 4096, Content_Length="")


def half(handler: Handler) -> None:
    # Cut at the end of a line: what arrives is a list of advisories, only not all of it.
    handler.say(200, LIST, Content_Length=str(2 * len(LIST)))


def half_of_chunks(handler: Handler) -> None:
    body = b"%x\r\n%b\r\n" % (len(LIST), LIST)
    handler.protocol_version = "HTTP/1.1"
    handler.say(200, body, Content_Length="", Transfer_Encoding="chunked", Connection="close")


def moved(where: str) -> Answer:
    return lambda handler: handler.say(302, Location=where.format(port=handler.server.server_port))


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    """Start servers, which end with the test."""
    running = []

    def start(answer: Answer) -> Server:
        server = Server(answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "advisories"


def listed(url: str, kept: Path) -> Advisories:
    return load([url], None, kept.parent, kept)


def numbers(advisories: Advisories) -> list[str]:
    return [each.id for each in advisories.dsas]


def aged(kept: Path, seconds: float) -> None:
    """Let the one kept document be that old."""
    (file,) = kept.iterdir()
    os.utime(file, times=(0, time.time() - seconds))


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": 'W/"9006"'}, 'W/"9006"'),
        ({"Last_Modified": "Fri, 20 Nov 2026 08:00:00 GMT"}, "Fri, 20 Nov 2026 08:00:00 GMT"),
        ({}, ""),
    ],
)
def test_what_did_not_change_is_not_sent_again(
    serve: Callable[[Answer], Server], kept: Path, headers: dict[str, str], condition: str
) -> None:
    server = serve(document(LIST, **headers))
    for _ in range(2):
        assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]
    assert server.asked == ["", condition]
    server.answer = document(NEWER, ETag='"9007"')
    for _ in range(2):
        assert numbers(listed(server.url, kept)) == ["DSA-9007-1"]
    assert server.asked[2:] == [condition, '"9007"']


def test_a_confirmed_document_is_as_fresh_as_a_new_one(
    serve: Callable[[Answer], Server], kept: Path
) -> None:
    server = serve(document(LIST, ETag='"9006"'))
    listed(server.url, kept)
    aged(kept, 2 * WEEK)
    listed(server.url, kept)
    server.answer = status(503)
    assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]


def test_compressed_answers_are_read(serve: Callable[[Answer], Server], kept: Path) -> None:
    server = serve(document(gzip.compress(LIST), Content_Encoding="gzip"))
    assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]


def test_the_tracker_is_asked_when_it_is_needed(
    serve: Callable[[Answer], Server], kept: Path
) -> None:
    server = serve(document(TRACKER))
    advisories = load([], server.url, kept.parent, kept)
    assert server.asked == []
    for _ in range(2):
        assert advisories.fixed("nss", "2:3.87.1-1", "2:3.88-1", "bookworm") == (
            Fix("CVE-2026-90743", ("CVE-2026-90743",), "high"),
        )
    assert server.asked == [""]


FAILURES: dict[str, tuple[Answer, str]] = {
    "an error": (status(503), "answers 503 Service Unavailable"),
    "not there": (status(404), "answers 404 Not Found"),
    "nothing new, to who had nothing": (status(304), "answers 304"),
    "another document": (document(b"<html>log in</html>"), "there is no security advisory in it"),
    "no document": (document(b""), "there is no security advisory in it"),
    "half of it": (half, "breaks off in the middle"),
    "half of it, in chunks": (half_of_chunks, "breaks off in the middle"),
    "no compression": (document(LIST, Content_Encoding="gzip"), "gives no proper answer"),
    "no answer": (lambda handler: handler.connection.close(), "cannot be reached|breaks off"),
    "another server": (moved("http://127.0.0.2:{port}/data"), "address without https"),
    "another port": (moved("http://127.0.0.1:1/data"), "address without https"),
    "a file": (moved("file:///etc/hostname"), "address without https"),
    "https": (moved("https://127.0.0.1:{port}/data"), "cannot be reached by TLS"),
    "in circles": (moved("/data"), "redirects without end"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_server_that_fails_is_named_and_what_is_kept_serves_for_a_week(
    serve: Callable[[Answer], Server],
    kept: Path,
    caplog: pytest.LogCaptureFixture,
    failure: str,
) -> None:
    answer, words = FAILURES[failure]
    server = serve(answer)
    with pytest.raises(ArchiveError, match=words) as caught:
        listed(server.url, kept)
    assert server.url in caught.value.message
    assert caught.value.hint
    assert not kept.exists() or not list(kept.iterdir())

    server.answer = document(LIST)
    listed(server.url, kept)
    aged(kept, WEEK - 60)
    server.answer = answer
    if failure != "nothing new, to who had nothing":
        with caplog.at_level(logging.WARNING):
            assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]
        assert len(caplog.records) == 1
        assert server.url in caplog.text
        aged(kept, WEEK + 60)
        with pytest.raises(ArchiveError, match=words):
            listed(server.url, kept)
    assert len(list(kept.iterdir())) == 1


def test_a_server_that_is_gone(
    serve: Callable[[Answer], Server], kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(document(LIST))
    listed(server.url, kept)
    server.shutdown()
    server.server_close()
    with caplog.at_level(logging.WARNING):
        assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]
    assert "cannot be reached: it refuses connections; what it sent on 20" in caplog.text
    aged(kept, WEEK + 60)
    with pytest.raises(ArchiveError, match="cannot be reached"):
        listed(server.url, kept)


def test_a_server_that_says_nothing(
    serve: Callable[[Answer], Server], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TIMEOUTS", (5, 0.1))
    released = threading.Event()

    def wait(_: Handler) -> None:
        released.wait(5)

    server = serve(wait)
    with pytest.raises(ArchiveError, match="does not answer in time"):
        listed(server.url, kept)
    released.set()


def test_a_redirect_on_the_same_server_is_followed(
    serve: Callable[[Answer], Server], kept: Path
) -> None:
    def answer(handler: Handler) -> None:
        document(LIST)(handler) if handler.path == "/new" else moved("/new")(handler)

    server = serve(answer)
    assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]


def test_no_proxy_is_asked_for_this_machine(
    serve: Callable[[Answer], Server], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(status(502))
    monkeypatch.setenv("http_proxy", proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert numbers(listed(serve(document(LIST)).url, kept)) == ["DSA-9006-1"]
    assert proxy.asked == []


def test_another_server_is_not_asked(serve: Callable[[Answer], Server], kept: Path) -> None:
    other = serve(document(LIST))
    server = serve(moved(other.url))
    with pytest.raises(ArchiveError):
        listed(server.url, kept)
    assert other.asked == []


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [("LARGEST", 1000, "sends more than"), ("LONGEST", -1, "takes more than")],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_never_ends_is_not_read_to_the_end(
    serve: Callable[[Answer], Server],
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
    words: str,
    zipped: bool,
) -> None:
    monkeypatch.setattr(webcache, limit, value)
    # Small as it is sent, and large when it is unpacked.
    body = gzip.compress(b"x" * 4096)
    server = serve(document(body, Content_Encoding="gzip") if zipped else endless)
    with pytest.raises(ArchiveError, match=words):
        listed(server.url, kept)
    assert not list(kept.iterdir())


@pytest.mark.parametrize("content", [b"", b"not json\n", b'{"etag": "\\"9006\\""}\ndamaged'])
def test_what_is_damaged_here_is_downloaded_again(
    serve: Callable[[Answer], Server], kept: Path, content: bytes
) -> None:
    server = serve(document(LIST, ETag='"9006"'))
    listed(server.url, kept)
    (file,) = kept.iterdir()
    file.write_bytes(content)
    assert numbers(listed(server.url, kept)) == ["DSA-9006-1"]
    assert file.read_bytes().endswith(b"}\n" + LIST)


def test_a_folder_that_cannot_hold_it_is_named(
    serve: Callable[[Answer], Server], kept: Path
) -> None:
    kept.parent.mkdir()
    kept.write_text("a file")
    server = serve(document(LIST))
    with pytest.raises(InfrastructureError, match=f"{kept}: ") as caught:
        listed(server.url, kept)
    assert not isinstance(caught.value, ArchiveError)


def test_each_url_has_its_own_file_whatever_it_is_called(
    serve: Callable[[Answer], Server], kept: Path
) -> None:
    server = serve(document(LIST))
    for path in ("/../../x", "/%2e%2e/y", "/z?q=/../.."):
        listed(f"{server.url}{path}", kept)
    assert len(list(kept.iterdir())) == 3
    assert all(len(each.name) == 64 for each in kept.iterdir())
    assert [each.name for each in kept.parent.iterdir()] == ["advisories"]
