# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents of web servers: small, and downloaded again only when they changed.

A kept document is one file, which only its owner may read: a line of JSON with what the server
calls this version of it, and the document. It serves only when the server says that it is still
the newest one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import urljoin, urlsplit

import requests
from pydantic import BaseModel, ValidationError

from builder.downloads.client import Client, public
from builder.downloads.pieces import Body, pieces
from builder.errors import InfrastructureError

# Bytes.
LARGEST: Final = 64 << 20
# Seconds for which a document stays here that nobody asks for.
KEEPS: Final = 30 * 24 * 3600
# Pages of a list; each has 100 entries.
PAGES: Final = 50


class _Stamp(BaseModel):
    url: str
    # The server that sent it, which may be another one than the URL names.
    host: str
    etag: str = ""
    modified: str = ""
    link: str = ""


@dataclass(frozen=True)
class Document:
    """A document as its server has it now; `modified` is when it changed, as HTTP writes it.

    `following` is the URL of the next page, empty for the last one.
    """

    url: str
    content: bytes
    modified: str = ""
    following: str = ""

    def json(self) -> Any:
        """What it holds; InfrastructureError for what is no JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise InfrastructureError(
                f"{public(self.url)} is no JSON document",
                hint="look at it: a server may send a web page in its place",
            ) from error


@dataclass(frozen=True)
class Documents:
    """Documents that a client reads, kept in a folder.

    `hosts` are the servers that may answer for the one that is asked, besides itself; any may that
    it redirects to, where nothing is said: what it sends is verified otherwise then.
    """

    client: Client
    kept: Path
    hosts: Collection[str] | None = None

    def get(self, url: str, *, accept: str = "", largest: int = LARGEST) -> Document:
        """A document; InfrastructureError, or Absent, as the client says, or if it is too long."""
        place = self.kept / hashlib.sha256(f"{accept} {url}".encode()).hexdigest()
        old = _kept(place, url)
        if old is not None and not self._is_allowed(url, old[0].host):
            # Of a server that was redirected to, and kept for who verifies it otherwise.
            old = None
        headers = {"Accept": accept} if accept else {}
        if old is not None:
            stamp = old[0]
            conditions = {"If-None-Match": stamp.etag, "If-Modified-Since": stamp.modified}
            headers |= {name: value for name, value in conditions.items() if value}
        also = (HTTPStatus.NOT_MODIFIED,) if old else ()
        with self.client.get(url, headers, also) as answer:
            self._must_be_allowed(url, answer)
            if old is not None and answer.status_code == HTTPStatus.NOT_MODIFIED:
                with contextlib.suppress(OSError):
                    os.utime(place)
                return old[1]
            stamp, found = _stamp(url, answer), content(url, answer, largest)
        document = _document(stamp, found)
        self._keep(place, stamp, found)
        return document

    def pages(self, url: str, *, accept: str = "") -> Iterator[Document]:
        """A list that is served in pages; all of them are of one server."""
        for _ in range(PAGES):
            page = self.get(url, accept=accept)
            yield page
            if not page.following:
                return
            if urlsplit(page.following)[:2] != urlsplit(url)[:2]:
                raise InfrastructureError(
                    f"the next page of {public(url)} is on another server",
                    hint="is there a proxy that changes answers?",
                )
            url = page.following
        raise InfrastructureError(
            f"{public(url)} has more than {PAGES} pages", hint="remove old versions there"
        )

    def _must_be_allowed(self, url: str, answer: requests.Response) -> None:
        answered = _host(answer.url)
        if not self._is_allowed(url, answered):
            raise InfrastructureError(
                f"{public(url)} is answered by another server, {answered}, and nothing in it is"
                " signed",
                hint="only the named server vouches for it; add the other one to redirects where"
                " its owner says that it is theirs",
            )

    def _is_allowed(self, url: str, host: str) -> bool:
        return self.hosts is None or host in (_host(url), *self.hosts)

    def _keep(self, place: Path, stamp: _Stamp, content: bytes) -> None:
        if not (stamp.etag or stamp.modified):
            place.unlink(missing_ok=True)
            return
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=place.parent, prefix="partial-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(stamp.model_dump_json().encode() + b"\n" + content)
                Path(name).replace(place)
            except OSError:
                Path(name).unlink()
                raise
            self._tidy()
        except OSError as error:
            raise InfrastructureError(
                f"{place.parent}: {error.strerror}",
                hint="this folder keeps downloads; make it writable",
            ) from error

    def _tidy(self) -> None:
        """Remove what nobody asked for in a long time, such as lists of releases that are gone."""
        oldest = time.time() - KEEPS
        for path in self.kept.iterdir():
            # Another process may do the same.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _stamp(url: str, answer: requests.Response) -> _Stamp:
    headers: Mapping[str, str] = answer.headers
    return _Stamp(
        url=url,
        host=_host(answer.url),
        etag=headers.get("ETag", ""),
        modified=headers.get("Last-Modified", ""),
        link=headers.get("Link", ""),
    )


def _document(stamp: _Stamp, content: bytes) -> Document:
    links = requests.utils.parse_header_links(stamp.link) if stamp.link else []
    following = next((link["url"] for link in links if link.get("rel") == "next"), "")
    try:
        address = urljoin(stamp.url, following) if following else ""
    except ValueError as error:
        raise InfrastructureError(
            f"the next page of {public(stamp.url)} has an address that is none",
            hint="is there a proxy that changes answers?",
        ) from error
    return Document(stamp.url, content, stamp.modified, address)


def content(url: str, answer: requests.Response, largest: int) -> bytes:
    """The body of an answer; InfrastructureError where that is longer, or breaks off."""
    parts = urlsplit(url)
    body = cast(IO[bytes], Body(answer))
    try:
        return b"".join(pieces(body, largest, parts.path, f"{parts.scheme}://{parts.netloc}"))
    except OSError as error:
        raise InfrastructureError(
            f"{public(url)} breaks off in the middle", hint="call it again later"
        ) from error


def _kept(place: Path, url: str) -> tuple[_Stamp, Document] | None:
    """A document in the cache; None if there is none, or none that can be read."""
    try:
        head, _, content = place.read_bytes().partition(b"\n")
        stamp = _Stamp.model_validate_json(head)
        document = _document(stamp, content)
    except (OSError, ValidationError, InfrastructureError):
        return None
    return (stamp, document) if stamp.url == url else None
