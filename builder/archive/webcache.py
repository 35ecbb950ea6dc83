# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents at a URL, kept on this machine and downloaded again only after a change.

A kept document is one file: a line of JSON with what the server calls this version of it, and the
document. So it changes as a whole, and two processes cannot mix two versions. The file's time is
when the server last said that this is the newest one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import requests
from pydantic import BaseModel, ValidationError

from builder import web
from builder.errors import ArchiveError, ForgeError, InfrastructureError

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds for all of an answer.
LONGEST = 600
# Bytes, after decompression.
LARGEST = 512 << 20
PIECE = 1 << 20
# Seconds for which a document serves without its server.
KEEPS = 7 * 24 * 3600


class _Stamp(BaseModel):
    """What a server calls one version of a document."""

    etag: str = ""
    last_modified: str = ""

    def conditions(self) -> dict[str, str]:
        """The request headers that ask for a newer version only."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


@dataclass(frozen=True)
class _Kept:
    """A document in the cache; `asked` is when its server last confirmed it, in seconds."""

    path: Path
    stamp: _Stamp
    asked: float

    def content(self) -> bytes:
        with self.path.open("rb") as file:
            file.readline()
            return file.read()


def check(url: str) -> None:
    """Raise UsageError unless it is an https URL without a password; loopback may be http."""
    web.check(url, "security data is read from a file or by https")


def fetch(url: str, kept: Path, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of the document at a URL that `check` allows; `kept` is the cache folder.

    Where the server fails, or `parse` raises ForgeError for what it sends, a document that is
    younger than a week serves, and a warning is logged; else ArchiveError.
    """
    place = kept / hashlib.sha256(url.encode()).hexdigest()
    try:
        return _newest(url, place, parse)
    except OSError as error:
        raise InfrastructureError(
            f"{kept}: {error.strerror}", hint="this folder keeps downloads; make it writable"
        ) from error


def _newest(url: str, place: Path, parse: Callable[[bytes], T]) -> T:
    """The document of the server, or else the kept one while that is young enough."""
    old = _kept(place)
    try:
        return _ask(url, place, old, parse)
    except ArchiveError as error:
        if old is None or time.time() - old.asked > KEEPS:
            raise
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(old.asked))
        log.warning("%s; what it sent on %s UTC is used", error.message, since)
        return _parsed(url, old.content(), parse)


def _ask(url: str, place: Path, old: _Kept | None, parse: Callable[[bytes], T]) -> T:
    """The document as the server has it now, kept for the next time."""
    conditions = old.stamp.conditions() if old else {}
    try:
        with (
            web.session(url) as session,
            session.get(url, headers=conditions, stream=True, timeout=web.TIMEOUTS) as answer,
        ):
            if answer.status_code == requests.codes.ok:
                return _replaced(url, place, answer, parse)
            if answer.status_code != requests.codes.not_modified or old is None:
                raise _failed(url, f"answers {answer.status_code} {answer.reason}")
    except requests.RequestException as error:
        raise _failed(url, web.reason(error)) from error
    try:
        document = _parsed(url, old.content(), parse)
    except ArchiveError:
        # Damaged here, or kept by another version of this program.
        return _ask(url, place, None, parse)
    os.utime(place)
    return document


def _replaced(url: str, place: Path, answer: requests.Response, parse: Callable[[bytes], T]) -> T:
    """The document that is sent; it replaces the kept one only if it can be read."""
    headers = answer.headers
    stamp = _Stamp(etag=headers.get("ETag", ""), last_modified=headers.get("Last-Modified", ""))
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="partial-") as folder:
        partial = Path(folder, place.name)
        with partial.open("wb") as file:
            file.write(stamp.model_dump_json().encode() + b"\n")
            for piece in _pieces(url, answer):
                file.write(piece)
        document = _parsed(url, _Kept(partial, stamp, 0).content(), parse)
        partial.replace(place)
    return document


def _pieces(url: str, answer: requests.Response) -> Iterator[bytes]:
    """The body, piece by piece; ArchiveError if it is too long, too slow or not all of it."""
    started, size = time.monotonic(), 0
    for piece in answer.iter_content(PIECE):
        size += len(piece)
        if size > LARGEST:
            raise _failed(url, f"sends more than {LARGEST >> 20} MiB")
        if time.monotonic() - started > LONGEST:
            raise _failed(url, f"takes more than {LONGEST // 60} minutes")
        yield piece
    # Older versions of urllib3 take a connection's early end for the document's.
    expected = answer.headers.get("Content-Length", "")
    if expected.isdecimal() and answer.raw.tell() != int(expected):
        raise _failed(url, "breaks off in the middle")


def _kept(place: Path) -> _Kept | None:
    """The document in the cache; None if there is none, or none that can be read."""
    try:
        with place.open("rb") as file:
            stamp = _Stamp.model_validate_json(file.readline())
            return _Kept(place, stamp, os.fstat(file.fileno()).st_mtime)
    except (OSError, ValidationError):
        return None


def _parsed(url: str, content: bytes, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(content)
    except ForgeError as error:
        raise ArchiveError(f"{url}: {error.message}", hint=error.hint) from error


def _failed(url: str, words: str) -> ArchiveError:
    return ArchiveError(
        f"{url} {words}", hint="try again later, or give a file instead under advisories:"
    )
