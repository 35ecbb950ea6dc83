# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking upstreams' servers: documents kept by ETag, mirrors, and who may answer for whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from builder import paths, web
from builder.downloads import local, pieces
from builder.downloads.client import Absent, Client
from builder.downloads.documents import Document, Documents
from builder.downloads.session import Login
from builder.errors import InfrastructureError
from builder.upstream.model import Upstream
from builder.upstream.once import Known, Once

T = TypeVar("T")
# Bytes of a document: many times what any of them has.
LARGEST: Final = 16 << 20
# The first byte of a file, and the status of an answer with it.
FIRST: Final = {"Range": "bytes=0-0"}
PART: Final = (HTTPStatus.PARTIAL_CONTENT,)


@dataclass(frozen=True)
class Asking:
    """How upstreams are asked.

    `instead` are addresses of this site, by the beginnings of those that stand in the YAML files:
    a mirror of its own, which is asked in their place. `beta` says that unfinished versions count.
    """

    instead: Mapping[str, str] = field(default_factory=dict)
    beta: bool = False
    kept: Path = field(default_factory=lambda: paths.cache().web)
    _clients: dict[str, Client] = field(default_factory=dict, compare=False, repr=False)
    _logins: dict[str, Login] = field(default_factory=dict, compare=False, repr=False)
    _known: Known = field(default_factory=Known, compare=False, repr=False)

    def addresses(self, url: str, upstream: Upstream) -> tuple[str, ...]:
        """Where a document or an image is, in the order in which to ask."""
        if (moved := _moved(url, self.instead)) is not None:
            return (moved,)
        others = [
            f"{mirror}{url.removeprefix(begin)}"
            for begin, mirrors in upstream.mirrors.items()
            if url.startswith(begin)
            for mirror in mirrors
        ]
        return (url, *others)

    def client(self, url: str, login: Login | None = None) -> Client:
        """A client of the server that a URL names, the same one each time where nobody logs in.

        A file: URL has one as well, which reads files of this machine.
        """
        if local.is_local(url):
            return Client(f"{local.SCHEME}://")
        web.check(url, "images of upstreams are read by https")
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        if login is not None:
            return Client(base, login)
        return self._clients.setdefault(base, Client(base))

    def document(
        self,
        url: str,
        upstream: Upstream,
        *,
        signed: bool = False,
        accept: str = "",
        largest: int = LARGEST,
    ) -> Document:
        """A document, from the first address that has it.

        `signed` says that somebody verifies it: then any server may answer that the named one
        redirects to. InfrastructureError, or Absent, as the first address said.
        """
        hosts = None if signed else upstream.redirects

        def get(address: str) -> Document:
            return self.documents(address, hosts).get(address, accept=accept, largest=largest)

        return _first(self.addresses(url, upstream), get)

    def documents(self, url: str, hosts: Collection[str] | None) -> Documents:
        """What reads documents of the server that a URL names, each of them once in a run.

        `hosts` are the servers that may answer for it; see `Documents`.
        """
        return Once(self.client(url), self.kept, hosts, self._known)

    def api(
        self, url: str, upstream: Upstream, login: Login | None = None
    ) -> tuple[str, Documents]:
        """The address of an API, and what reads its documents; no mirror has those."""
        address = self.addresses(url, upstream)[0]
        if login is None:
            return address, self.documents(address, upstream.redirects)
        # Who logs in may see what others do not, so these answers are nobody else's.
        return address, Documents(self.client(address, login), self.kept, upstream.redirects)

    def login(self, name: str, make: Callable[[], Login]) -> Login:
        """A login that is made once and then shared; a token is good for more than one image."""
        return self._logins.setdefault(name, make())

    def modified(self, url: str, upstream: Upstream, login: Login | None = None) -> datetime | None:
        """When a file changed at its server; None where that tells no time.

        InfrastructureError, or Absent, as with `document`. It vouches for nothing. With a login no
        mirror is asked, since that must not see it.
        """

        def told(address: str) -> datetime | None:
            client = self.client(address, login)
            try:
                with client.get(address, method="HEAD") as answer:
                    return pieces.modified(answer)
            except Absent:
                raise
            except InfrastructureError:
                # A signed URL, which some redirect to, may be good for one method only.
                with client.get(address, FIRST, PART) as answer:
                    return pieces.modified(answer)

        addresses = self.addresses(url, upstream)
        return _first(addresses if login is None else addresses[:1], told)


def _first(addresses: Iterable[str], ask: Callable[[str], T]) -> T:
    """What the first address answers that does; else the error of the first one of all."""
    first: InfrastructureError | None = None
    for address in addresses:
        try:
            return ask(address)
        except InfrastructureError as error:
            first = first or error
    assert first is not None
    raise first


def _moved(url: str, instead: Mapping[str, str]) -> str | None:
    """The address in place of a URL, by the longest beginning that is known; None if none is."""
    begins = [begin for begin in instead if url.startswith(begin)]
    if not begins:
        return None
    begin = max(begins, key=len)
    return f"{instead[begin]}{url.removeprefix(begin)}"
