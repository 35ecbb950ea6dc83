# SPDX-License-Identifier: GPL-2.0-or-later
"""A web server on this machine with the answers and files of an API: parts, ETags, and faults."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What is sent; `cut` ends the connection after so many bytes of the content.

    With `untold`, the length is not told, and the end of the connection is that of the content.
    """

    content: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    endless: bool = False
    untold: bool = False


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: Message
    body: bytes = b""


Answer = Callable[[Asked], Reply]


def as_json(content: Any, **headers: str) -> Reply:
    """A document of an API."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(content).encode(), headers={"Content-Type": "application/json"} | named)


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def serve(content: bytes, kind: str = "application/octet-stream", cut: int | None = None) -> Answer:
    """A file, as web servers serve it: whole, in parts, or not again; `cut` breaks each answer."""
    tag = {"ETag": etag(content), "Content-Type": kind, "Accept-Ranges": "bytes"}

    def answer(asked: Asked) -> Reply:
        if asked.headers["If-None-Match"] == etag(content):
            return Reply(status=304, headers=tag)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers["Range"] or "")
        if found is None or asked.headers["If-Range"] not in (None, etag(content)):
            return Reply(content, headers=tag, cut=cut)
        begin, end = int(found[1]), int(found[2] or len(content) - 1)
        if begin >= len(content):
            return Reply(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
        told = {"Content-Range": f"bytes {begin}-{end}/{len(content)}"}
        return Reply(content[begin : end + 1], 206, {**tag, **told}, cut)

    return answer


class Api(ThreadingHTTPServer):
    """Answers by `routes`: by path and query, else by path; else 404. `log` has what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Answer | Reply] = {}
        self.log: list[Asked] = []
        self.hurdles: list[Answer | Reply] = []
        """Sent in place of the next answers, one each."""
        self.token: tuple[str, str] | None = None
        """The header without which all is 401."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, part: str) -> list[Asked]:
        """The requests with this in their path."""
        return [each for each in self.log if part in each.path]

    def answer(self, asked: Asked) -> Reply:
        self.log.append(asked)
        if self.hurdles:
            return _made(self.hurdles.pop(0), asked)
        if self.token and asked.headers[self.token[0]] != self.token[1]:
            return replace(as_json({"message": "Bad credentials"}), status=401)
        found = self.routes.get(asked.path) or self.routes.get(asked.path.partition("?")[0])
        if found is None:
            return replace(as_json({"message": "Not Found"}), status=404)
        return _made(found, asked)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away in the middle is what some tests are about."""


def _made(answer: Answer | Reply, asked: Asked) -> Reply:
    return answer if isinstance(answer, Reply) else answer(asked)


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        reply = self.server.answer(Asked(self.command, self.path, self.headers, body))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.endless:
            self.end_headers()
            while True:
                self.wfile.write(b" " * 65536)
        if not reply.untold:
            self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content[: reply.cut])
        self.close_connection = reply.cut is not None or reply.untold

    do_HEAD = do_POST = do_GET

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[Api]:
    """A server that answers until the end of the block."""
    server = Api()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
