# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers that lead elsewhere: what comes with them is not read, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.downloads.client import Client
from builder.downloads.documents import Documents
from builder.errors import InfrastructureError
from tests.integration.apiserver import Api, Asked, Reply, running, serve


@pytest.fixture
def server() -> Iterator[Api]:
    with running() as made:
        yield made


def test_what_comes_with_a_redirect_is_not_read(server: Api, tmp_path: Path) -> None:
    """It may have no end."""
    to = {"Location": "/there"}
    server.routes["/here"] = Reply(b"x" * (1 << 16), 302, to, endless=True)
    server.routes["/there"] = serve(b"what was wanted")
    client = Client(server.url)
    assert Documents(client, tmp_path).get(f"{server.url}/here").content == b"what was wanted"
    with client.post(f"{server.url}/here", {"a": "b"}, (302,)) as answer:
        assert answer.status_code == 302


def test_what_another_server_sent_is_nobodys_word_later(server: Api, tmp_path: Path) -> None:
    """Who verifies it may have it from anybody; who does not must not be told it is still right."""
    url, other = f"{server.url}/list", server.url.replace("127.0.0.1", "localhost")
    server.routes["/list"] = Reply(status=302, headers={"Location": f"{other}/evil"})
    server.routes["/evil"] = Reply(b"evil", headers={"ETag": '"of the good one"'})
    anybody = Documents(Client(server.url), tmp_path)
    assert anybody.get(url).content == b"evil"

    def good(asked: Asked) -> Reply:
        is_same = asked.headers["If-None-Match"] == '"of the good one"'
        return Reply(status=304) if is_same else Reply(b"good", headers={"ETag": '"x"'})

    server.routes["/list"] = good
    named = Documents(Client(server.url), tmp_path, ())
    assert named.get(url).content == b"good"
    server.routes["/list"] = Reply(status=302, headers={"Location": f"{other}/evil"})
    with pytest.raises(InfrastructureError, match="answered by another server"):
        named.get(url)
