# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed request says: whether to ask the own network, or who runs the server."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from builder import web
from tests.integration.nginx import authority, free_ports


class Quiet(HTTPServer):
    """Says nothing of clients that leave at once."""

    def handle_error(self, request: object, client_address: object) -> None:
        """They do."""


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """A server over TLS whose authority nobody knows."""
    made = authority(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with Quiet(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def reason(url: str) -> str:
    with pytest.raises(requests.RequestException) as caught:
        web.session(url).get(url, timeout=60)
    return web.reason(caught.value)


def test_an_authority_that_nobody_knows(untrusted: str) -> None:
    said = reason(untrusted)
    assert said.startswith("cannot be reached by TLS: ")
    assert "certificate" in said


def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    assert reason(f"https://127.0.0.1:{port}/") == "cannot be reached: it refuses connections"


def test_no_such_host() -> None:
    # RFC 2606: no host ever has such a name.
    said = reason("https://images.invalid/")
    assert said == "cannot be reached: no host of that name is known"


def test_a_time_limit_is_told_as_one_whatever_was_before() -> None:
    """What failed before is no reason for what fails now."""
    late = requests.ReadTimeout()
    late.__context__ = ConnectionRefusedError()
    assert web.reason(late) == "does not answer in time"
