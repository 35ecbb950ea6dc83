# SPDX-License-Identifier: GPL-2.0-or-later
"""A store on a web server, which can be read and not published to.

https only, also where the server redirects to; a server of this machine may do without.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, cast

import requests

from builder import web
from builder.downloads.client import FAILURES
from builder.downloads.pieces import PIECE, Body, length
from builder.errors import InfrastructureError, UsageError
from builder.store import paths

ABSENT: Final = (requests.codes.not_found, requests.codes.gone)
# "identity": a packed answer has another size, and its offsets are others.
PLAIN: Final = {"Accept-Encoding": "identity"}
RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


@dataclass(frozen=True)
class HttpsPlace:
    """A folder of a web server; `url` has no slash at its end."""

    url: str

    @classmethod
    def at(cls, url: str) -> HttpsPlace:
        """The folder at a URL; UsageError unless it is an https URL without a login or a query."""
        web.check(url, "a store on a web server is read by https")
        if "?" in url or "#" in url:
            raise UsageError(f"{url} is no folder", hint="give the URL up to its path")
        return cls(url.rstrip("/"))

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        try:
            with self._asked("HEAD", path, {}) as answer:
                size = length(answer)
        except FileNotFoundError:
            return None
        if size is None:
            raise self._failed(path, "has no size that the server tells")
        return size

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        """The content of a file from an offset on; FileNotFoundError where there is none."""
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        with self._asked("GET", path, wanted) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                # There is nothing behind the offset.
                yield io.BytesIO()
                return
            body = Body(answer)
            begin = self._begin(answer, path)
            if begin > offset:
                raise self._failed(path, f"comes from its byte {begin} on, and not from {offset}")
            _skip(body, offset - begin)
            yield cast(IO[bytes], body)

    def _begin(self, answer: requests.Response, path: str) -> int:
        """The offset at which an answer begins: a server may ignore that a part was asked for."""
        if answer.status_code == requests.codes.ok:
            return 0
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None:
            raise self._failed(path, "comes in a part that is not told")
        return int(found[1])

    @contextmanager
    def _asked(
        self, method: str, path: str, headers: dict[str, str]
    ) -> Iterator[requests.Response]:
        url = f"{self.url}/{paths.checked(path)}"
        with web.session(url) as session:
            try:
                asked = session.request(
                    method,
                    url,
                    headers=PLAIN | headers,
                    stream=True,
                    timeout=web.TIMEOUTS,
                    allow_redirects=True,
                )
            except FAILURES as error:
                raise self._failed(path, web.reason(error)) from error
            with asked as answer:
                self._look(answer, path, partial="Range" in headers)
                yield answer

    def _look(self, answer: requests.Response, path: str, *, partial: bool) -> None:
        """Raise FileNotFoundError for what is not there, InfrastructureError for other refusals."""
        if answer.status_code in ABSENT:
            raise FileNotFoundError(path)
        good = {requests.codes.ok}
        if partial:
            good |= {
                requests.codes.partial_content,
                requests.codes.requested_range_not_satisfiable,
            }
        if answer.status_code not in good:
            raise self._failed(path, f"answers {answer.status_code} {answer.reason}")

    def _failed(self, path: str, words: str) -> InfrastructureError:
        return InfrastructureError(f"{self.url}/{path} {words}", hint="call it again later")


def _skip(body: Body, count: int) -> None:
    while count > 0:
        piece = body.read(min(count, PIECE))
        if not piece:
            return
        count -= len(piece)
