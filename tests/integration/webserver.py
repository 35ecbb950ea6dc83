# SPDX-License-Identifier: GPL-2.0-or-later
"""A web server on this machine whose answers can be spoilt: what a mirror may do to apt."""

from __future__ import annotations

import socket
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What is sent. `modified` is the file's time as HTTP writes it, empty where nobody knows.

    `promised` is the length that the headers tell; None for the real one.
    """

    status: int
    content: bytes = b""
    modified: str = ""
    promised: int | None = None


Spoil = Callable[[Answer], Answer]


def missing(_answer: Answer) -> Answer:
    return Answer(HTTPStatus.NOT_FOUND)


def truncated(answer: Answer) -> Answer:
    """Half of it, as if that were all."""
    return replace(answer, content=answer.content[: len(answer.content) // 2])


def broken_off(answer: Answer) -> Answer:
    """Half of it, and then the connection ends."""
    return replace(truncated(answer), promised=len(answer.content))


def tampered(answer: Answer) -> Answer:
    """One bit of it is another."""
    content = bytearray(answer.content)
    content[len(content) // 2] ^= 1
    return replace(answer, content=bytes(content))


class Server(ThreadingHTTPServer):
    """What `find` finds; answers to paths that hold `victim` go through `spoil`, and are counted.

    As a context manager, it answers until the end of the block.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.victim = ""
        self.spoil: Spoil = missing
        self.spoilt = 0

    @abstractmethod
    def find(self, path: str) -> Answer:
        """The true answer to a path, which has no slash in front."""

    def answer(self, path: str) -> Answer:
        """What is sent."""
        found = self.find(path)
        if not self.victim or self.victim not in path or found.status != HTTPStatus.OK:
            return found
        self.spoilt += 1
        return self.spoil(found)

    @property
    def address(self) -> str:
        """The server's URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()

    @contextmanager
    def down(self) -> Iterator[None]:
        """For a while, nobody listens at the address."""
        self.__exit__()
        try:
            yield
        finally:
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
            self.server_activate()
            self.__enter__()

    def handle_error(self, *_request: Any) -> None:
        """Keep quiet: a reader that leaves early is no error, and the tests see any other."""


@contextmanager
def spoiling(server: Server, victim: str, spoil: Spoil) -> Iterator[None]:
    """Spoil what has `victim` in its path; somebody has to ask for it."""
    server.victim, server.spoil, server.spoilt = victim, spoil, 0
    try:
        yield
    finally:
        server.victim = ""
    assert server.spoilt, f"nobody asked for {victim}"


class Handler(BaseHTTPRequestHandler):
    """HTTP as apt speaks it: many requests over one connection, and no file sent twice."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answer = self.server.answer(self.path.lstrip("/"))
        if answer.modified and self.headers["If-Modified-Since"] == answer.modified:
            answer = Answer(HTTPStatus.NOT_MODIFIED)
        length = len(answer.content) if answer.promised is None else answer.promised
        self.send_response(answer.status)
        self.send_header("Content-Length", str(length))
        if answer.modified:
            self.send_header("Last-Modified", answer.modified)
        self.end_headers()
        self.wfile.write(answer.content)
        self.close_connection = length != len(answer.content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
