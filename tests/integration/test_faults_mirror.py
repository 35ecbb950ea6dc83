# SPDX-License-Identifier: GPL-2.0-or-later
"""A mirror that lies, and no mirror at all: nothing unverified is used, and nothing is left."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.archive.sources import host_mirrors
from tests.integration.harness import Forge, Running, only_root

Spoil = Callable[[bytes], bytes]


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def tampered(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


class Mirror(ThreadingHTTPServer):
    """The machine's own mirrors behind one address; files whose name holds `victim` are spoilt."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        mirrors = host_mirrors()
        self.behind = {"main": mirrors.main, "security": mirrors.security or mirrors.main}
        self.victim = ""
        self.spoil: Spoil = bytes
        self.spoilt = 0

    def options(self) -> tuple[str, ...]:
        """What makes a build use it."""
        address = f"http://127.0.0.1:{self.server_port}"
        return ("--mirror", f"{address}/main", "--security-mirror", f"{address}/security")


class Handler(BaseHTTPRequestHandler):
    """Hands on what the machine's mirror says; apt then sees whole answers, spoilt or not."""

    server: Mirror

    def do_GET(self) -> None:
        _, which, path = self.path.split("/", 2)
        try:
            with urllib.request.urlopen(f"{self.server.behind[which]}/{path}") as answer:  # noqa: S310
                content, status = answer.read(), 200
        except urllib.error.HTTPError as error:
            content, status = b"", error.code
        if self.server.victim and self.server.victim in path and status == 200:
            content = self.server.spoil(content)
            self.server.spoilt += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.serve_forever)
    thread.start()
    try:
        yield mirror
    finally:
        mirror.shutdown()
        thread.join()
        mirror.server_close()


@dataclass(frozen=True)
class Cold:
    """A build from the lying mirror, with none of its indexes or packages in the cache."""

    forge: Forge
    mirror: Mirror

    def build(self, victim: str = "", spoil: Spoil = bytes) -> Running:
        self.mirror.victim, self.mirror.spoil, self.mirror.spoilt = victim, spoil, 0
        return self.forge.build(*self.mirror.options())

    @property
    def packages(self) -> list[Path]:
        """All files in the cache of .debs."""
        return [path for path in (self.forge.cache / "debs").rglob("*") if path.is_file()]


@pytest.fixture
def cold(forge: Forge, server: Mirror, tmp_path: Path) -> Cold:
    # Base file and tools tree are known by what is in them, wherever it came from.
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "rootfs").symlink_to(forge.cache / "rootfs")
    # apt reaches this machine itself, also where it has a proxy.
    return Cold(replace(forge, cache=cache, env=(("no_proxy", "127.0.0.1"),)), server)


@pytest.mark.parametrize("spoil", [truncated, tampered])
@pytest.mark.parametrize("victim", ["InRelease", "/binary-"])
def test_spoilt_indexes(cold: Cold, victim: str, spoil: Spoil) -> None:
    running = cold.build(victim, spoil)
    assert cold.mirror.spoilt
    assert running.process.returncode == 4, running.text
    assert "fai-forge: the package indexes could not be fetched and verified\n" in running.text
    assert "--mirror" in running.text
    assert "Installing with FAI" not in running.text
    assert cold.packages == []
    assert cold.forge.left() == []


@pytest.mark.parametrize("spoil", [truncated, tampered])
def test_a_spoilt_package(cold: Cold, spoil: Spoil) -> None:
    running = cold.build("/netbase_", spoil)
    assert cold.mirror.spoilt
    assert running.process.returncode == 4, running.text
    assert "fai-forge: packages could not be downloaded and verified\n" in running.text
    assert "netbase" in running.text
    assert "Installing with FAI" not in running.text
    assert cold.packages == []
    assert cold.forge.left() == []
    if spoil is tampered:
        # Once the mirror is as it should be, so is the build.
        running = cold.build()
        assert running.process.returncode == 0, running.text
        assert len(cold.packages) == 1
        # The manifest names the mirror's suites, the image keeps its own sources.
        assert len(cold.forge.left()) == 1


def test_no_network(forge: Forge) -> None:
    """With all indexes in the cache: those of an earlier hour are not taken for the answer."""
    only_root("take the network away")
    running = replace(forge, prefix=("unshare", "--net", "--")).build()
    assert running.process.returncode == 4, running.text
    assert " cannot be reached: " in running.text
    assert "Check the network" in running.text
    assert "Fetching packages" not in running.text
    assert forge.left() == []


def test_a_mirror_that_is_not_there(forge: Forge) -> None:
    running = forge.build("--mirror", "http://127.0.0.1:1/debian")
    assert running.process.returncode == 4, running.text
    assert "fai-forge: the archive http://127.0.0.1:1/debian cannot be reached: " in running.text
    assert forge.left() == []
