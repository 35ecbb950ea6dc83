# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers of all upstreams on this machine: one nginx, whose folders are their hosts.

What `https://HOST/PATH` has is the file HOST/PATH of a folder, and `INSTEAD` is what sends readers
there. A file NAME@QUERY is the answer to NAME?QUERY. Folders without an index are listed by nginx.
Images are small, and real: qemu-img made them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import requests

from tests.integration.nginx import free_ports, nginx
from tests.integration.signing import KeyHome

RECORDED: Final = Path(__file__).parent / "recorded"
# When the world's files were written, if nothing else is said.
WHEN: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
# Bytes of an image's own content.
CONTENT: Final = 128 << 10
NOTHING: Final = "/nothing"
IMAGES: Final = (".qcow2", ".img", ".raw.xz")
# A real server of CentOS refuses who does not say a name. It listens to loopback only.
SERVER: Final = """\
    log_format told '$request_method\\t$status\\t$body_bytes_sent\\t$request_uri\\t$http_user_agent'
                    '\\t$http_if_none_match$http_if_modified_since';
    server {{
        listen 127.0.0.1:{port};
        access_log {folder}/told.log told;
        root {www};
        default_type application/octet-stream;
        types {{ text/html html; application/json json; }}
        if ($http_user_agent ~ "^(python|curl|$)") {{ return 403; }}
{rules}
        location / {{
            autoindex on;
            index index.html index.json;
            try_files "${{uri}}@$args" $uri $uri/index.json $uri/ =404;
        }}
    }}
"""


@dataclass(frozen=True)
class Newest:
    """What must be found of a series: the newest version, with all that vouches for it.

    `signed_by` is a fingerprint, empty where nobody signs.
    """

    series: str
    url: str
    content: bytes
    serial: str
    version: str
    signed_by: str = ""


@dataclass(frozen=True)
class Told:
    """One line of nginx's log; `path` has the query, `condition` is what came with If-..."""

    method: str
    status: int
    size: int
    path: str
    agent: str
    condition: str

    @property
    def is_image(self) -> bool:
        """Whether it is about an image, and not about a document."""
        return self.path.partition("?")[0].endswith(IMAGES)


@dataclass(frozen=True)
class Keys:
    """A key of each source, made when it is asked for; nothing is signed twice."""

    home: KeyHome
    made: dict[str, str] = field(default_factory=dict)
    signed: dict[tuple[str, bytes, tuple[str, ...]], bytes] = field(default_factory=dict)

    def fingerprint(self, source: str) -> str:
        if source not in self.made:
            self.made[source] = self.home.make(f"{source}@example.org")
        return self.made[source]

    def detached(self, source: str, content: bytes, *, armor: bool = True) -> bytes:
        return self._sign(source, content, *(("--armor",) if armor else ()), "--detach-sign")

    def clearsigned(self, source: str, content: bytes) -> bytes:
        return self._sign(source, content, "--clearsign")

    def _sign(self, source: str, content: bytes, *how: str) -> bytes:
        known = (source, hashlib.sha256(content).digest(), how)
        if known not in self.signed:
            given = self.home.folder / "content"
            given.write_bytes(content)
            words = ("--digest-algo", "SHA512", "--local-user", self.fingerprint(source))
            self.signed[known] = self.home.gpg(*words, "--output", "-", *how, given)
        return self.signed[known]


@dataclass(frozen=True)
class World:
    """What the servers have, below `folder`; `newest` is what is to be found, by series."""

    folder: Path
    keys: Keys
    newest: dict[str, Newest] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    """How many versions came since the recorded ones, by the series' name; none if it is not there.
    """

    @property
    def www(self) -> Path:
        return self.folder / "www"

    def path(self, url: str) -> Path:
        """The file that is served at a URL."""
        return self.www / url.removeprefix("https://")

    def put(self, url: str, content: bytes | str, modified: datetime = WHEN) -> bytes:
        """Write a file; what changes has a new time, by which nginx tells versions apart."""
        path, content = self.path(url), content.encode() if isinstance(content, str) else content
        stamp = modified.timestamp()
        if path.exists():
            if path.read_bytes() == content:
                return content
            stamp = max(stamp, path.stat().st_mtime + 60)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (stamp, stamp))
        return content

    def image(self, url: str, modified: datetime = WHEN) -> bytes:
        """Write an image that no other URL has."""
        return self.put(url, image(url), modified)

    def expect(
        self, series: str, url: str, content: bytes, serial: str, version: str, source: str = ""
    ) -> None:
        """Say what is the newest of a series; `source` is who signs."""
        signed_by = self.keys.fingerprint(source) if source else ""
        self.newest[series] = Newest(series, url, content, serial, version, signed_by)


@dataclass(frozen=True)
class Served:
    """A world that answers at a port."""

    world: World
    port: int
    log: Path

    @property
    def instead(self) -> Mapping[str, str]:
        """What leads readers here."""
        return {"https://": f"http://127.0.0.1:{self.port}/"}

    def told(self, since: int = 0) -> Sequence[Told]:
        """The requests behind the first ones of the log."""
        # nginx has one process: where it answers to this, all before it is in the log.
        requests.get(f"http://127.0.0.1:{self.port}{NOTHING}", timeout=60)
        told = [_told(*line.split("\t")) for line in self.log.read_text().splitlines()]
        return [each for each in told if each.path != NOTHING][since:]


def _told(method: str, status: str, size: str, path: str, agent: str, condition: str) -> Told:
    # nginx writes "-" for what is not there.
    return Told(method, int(status), int(size), path, agent, condition.strip("-"))


@contextmanager
def served(world: World, folder: Path, rules: str = "") -> Iterator[Served]:
    """Serve a world until the end of the block; `rules` are lines of nginx' server."""
    (port,) = free_ports(1)
    text = SERVER.format(port=port, folder=folder, www=world.www, rules=rules)
    with nginx(folder, text, [port]):
        yield Served(world, port, folder / "told.log")


@cache
def _template() -> bytes:
    """A qcow2 with one region of content, which is not compressed."""
    with tempfile.TemporaryDirectory(prefix="fai-forge-test-") as folder:
        raw, made = Path(folder, "raw"), Path(folder, "qcow2")
        raw.write_bytes(_content("template"))
        os.truncate(raw, 64 << 20)
        argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(made)]
        subprocess.run(argv, check=True)
        return made.read_bytes()


def image(name: str) -> bytes:
    """A qcow2 that nothing else has, the same one each time."""
    template, content = _template(), _content("template")
    assert template.count(content) == 1
    return template.replace(content, _content(name))


def _content(name: str) -> bytes:
    return hashlib.shake_256(name.encode()).digest(CONTENT)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha512(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest()
