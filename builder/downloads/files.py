# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of web servers, brought to this machine: whole and verified, or not at all.

A line that breaks is taken up again where it broke, in this call or in a later one, as long as the
server still has the same file; a file that changed meanwhile is begun anew.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final, cast
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError

from builder.downloads import partial
from builder.downloads.client import Client, public
from builder.downloads.pieces import AGAIN, PIECE, Body, WrongContent, length, pieces
from builder.downloads.wanted import HEAD, Fetched, State, Wanted, glance, present, verify
from builder.errors import InfrastructureError

# How often in a row a line may break without a byte, and how often in all.
FRUITLESS: Final = 5
BREAKS: Final = 1000
# Seconds, for each break in a row without a byte.
PAUSE: Final = 1.0
RANGE: Final = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)")
PAGES: Final = ("text/html", "application/xhtml+xml")


def fetch(
    client: Client,
    url: str,
    wanted: Wanted,
    target: Path,
    on_bytes: Callable[[int], None] = lambda _: None,
    accept: str = "",
) -> Fetched:
    """Bring the file at a URL to `target`, where it appears whole and verified, or not at all.

    `on_bytes` is told of all bytes, also of those that were here; of those that are given up, with
    a minus. A `target` that is there must be the same file, else it is OtherFile that is raised.
    InfrastructureError says what is wrong; WrongContent, that the server has another file.
    """
    if target.exists():
        return present(target, wanted, on_bytes)
    with partial.writing(target), partial.held(target) as (path, file):
        transfer = _Transfer(client, url, wanted, accept, file, path.with_suffix(".tag"), on_bytes)
        try:
            transfer.begin()
            transfer.complete()
            verify(public(url), wanted, transfer.state)
        except WrongContent:
            transfer.tag.unlink(missing_ok=True)
            path.unlink()
            raise
        file.flush()
        os.fsync(file.fileno())
        path.replace(target)
        transfer.tag.unlink(missing_ok=True)
    return transfer.state.fetched(transfer.moved, transfer.modified)


class _Tag(BaseModel):
    """What a partial file is a part of: its digest or else its URL, and what the server calls it"""

    identity: str
    validator: str = ""


@dataclass
class _Transfer:
    """One file on its way; `moved` counts the bytes that came over the line."""

    client: Client
    url: str
    wanted: Wanted
    accept: str
    file: IO[bytes]
    tag: Path
    on_bytes: Callable[[int], None]
    state: State = field(default_factory=State)
    total: int | None = None
    moved: int = 0
    modified: str = ""

    @property
    def identity(self) -> str:
        return str(self.wanted.checksum or public(self.url))

    def begin(self) -> None:
        """Take up what an earlier call left, if that is a part of this file."""
        self.total = self.wanted.size
        tag = self._tag()
        if tag is None or not (tag.validator or self.wanted.checksum):
            self.file.truncate(0)
            return
        self.file.seek(0)
        while piece := self.file.read(PIECE):
            self.state.add(piece)
        self.on_bytes(self.state.size)
        if self.state.size > (self.wanted.size or self.wanted.largest):
            self._anew()

    def complete(self) -> None:
        """Go on to the end, over all breaks of the line."""
        fruitless, furthest = 0, self.state.size
        for _ in range(BREAKS):
            try:
                if self._go_on():
                    return
            except (OSError, requests.RequestException):
                pass
            # A server without parts begins anew each time.
            fruitless = 0 if self.state.size > furthest else fruitless + 1
            furthest = max(furthest, self.state.size)
            if fruitless == FRUITLESS:
                break
            time.sleep(fruitless * PAUSE)
        raise InfrastructureError(
            f"{public(self.url)} breaks off after {self.state.size}"
            f" of {self.total if self.total is not None else 'an unknown number of'} bytes",
            hint="call it again: it goes on from there",
        )

    def _go_on(self) -> bool:
        """One request; whether the file is whole. OSError where the line breaks."""
        offset, tag = self.state.size, self._tag()
        if offset and offset == self.wanted.size:
            return True
        headers = {"Accept": self.accept} if self.accept else {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if tag and tag.validator:
                headers["If-Range"] = tag.validator
        also = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        with self.client.get(self.url, headers, also if offset else ()) as answer:
            self.modified = answer.headers.get("Last-Modified", "")
            status = HTTPStatus(answer.status_code)
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return self._is_end(answer)
            if status == HTTPStatus.OK:
                # It is another file by now, or the server knows no parts.
                self._anew()
                self.total = length(answer)
            else:
                self.total = self._part(answer, offset)
            self._look(answer)
            self._remember(answer)
            self._take(answer)
        return self._is_whole(answer)

    def _take(self, answer: requests.Response) -> None:
        parts = urlsplit(self.url)
        largest = self.wanted.largest if self.wanted.size is None else self.wanted.size
        source, left = cast(IO[bytes], Body(answer)), largest - self.state.size
        for piece in pieces(source, left, parts.path, f"{parts.scheme}://{parts.netloc}"):
            self.state.add(piece)
            self.moved += len(piece)
            with partial.writing(self.tag):
                self.file.write(piece)
            self.on_bytes(len(piece))
            if self.state.size >= HEAD:
                glance(self.url, self.wanted, self.state)

    def _is_whole(self, answer: requests.Response) -> bool:
        if self.total is not None:
            return self.state.size >= self.total
        if self.wanted.checksum or "Transfer-Encoding" in answer.headers:
            return True
        # The end of the connection may be that of the file, or of the line.
        raise InfrastructureError(
            f"{public(self.url)} comes without a size, so nobody knows whether it is whole",
            hint="a list of digests would tell; name one in the configuration",
        )

    def _is_end(self, answer: requests.Response) -> bool:
        """Whether there is nothing behind what is here; else it was no part of this file."""
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found and found[2] == str(self.state.size):
            return True
        self._anew()
        return False

    def _part(self, answer: requests.Response, offset: int) -> int | None:
        """The size of the whole file, from an answer that is a part of it."""
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or found[1] != str(offset):
            raise InfrastructureError(
                f"{public(self.url)} sends another part than the one that was asked for",
                hint="call it again later",
            )
        return None if found[2] == "*" else int(found[2])

    def _look(self, answer: requests.Response) -> None:
        """Whether an answer can be the file at all."""
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in PAGES:
            raise WrongContent(f"{public(self.url)} is a web page, and no image", hint=AGAIN)
        size = self.wanted.size
        if size is not None and self.total not in (None, size):
            raise WrongContent(
                f"{public(self.url)} has {self.total} bytes, and should have {size}", hint=AGAIN
            )
        with partial.writing(self.tag):
            free = shutil.disk_usage(self.tag.parent).free
        need = (self.total or 0) - self.state.size - free
        if need > 0:
            raise InfrastructureError(
                f"{public(self.url)} needs {need} more bytes than {self.tag.parent} has",
                hint="free some space; the call goes on from where it was",
            )

    def _remember(self, answer: requests.Response) -> None:
        """Keep what this version of the file is called, so that no other one is added to it."""
        etag = answer.headers.get("ETag", "")
        # A weak one says that two files mean the same, and not that they are the same.
        validator = "" if etag.startswith("W/") else etag
        tag = _Tag(identity=self.identity, validator=validator or self.modified)
        with partial.writing(self.tag):
            self.tag.write_text(tag.model_dump_json(), encoding="utf-8")

    def _tag(self) -> _Tag | None:
        try:
            tag = _Tag.model_validate_json(self.tag.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return tag if tag.identity == self.identity else None

    def _anew(self) -> None:
        self.on_bytes(-self.state.size)
        self.file.seek(0)
        self.file.truncate(0)
        self.state = State()
