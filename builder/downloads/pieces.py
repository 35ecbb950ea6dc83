# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes over a line, piece by piece: never more than it may be, and never for ever."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final

import requests
import urllib3

from builder.errors import InfrastructureError

PIECE: Final = 1 << 20
# Bytes in each second, on average after the grace (seconds): a server that sends slower than that
# would hold a reader up for as long as it likes.
SLOWEST: Final = 1024
GRACE: Final = 60.0
AGAIN: Final = "call it again later, or look at the place itself; nothing of this file was kept"


class WrongContent(InfrastructureError):
    """A place has another file than the one that it should have."""


def pieces(source: IO[bytes], largest: int, path: str, place: str) -> Iterator[bytes]:
    """The rest of what a source has; WrongContent if that is more than `largest` bytes.

    `path` and `place` name it in errors. What the source raises passes.
    """
    began, size = time.monotonic(), 0
    # One byte more than there may be, to see whether there is more.
    while piece := source.read(min(PIECE, largest - size + 1)):
        size += len(piece)
        if size > largest:
            raise WrongContent(
                f"{path} of {place} is larger than it may be ({largest} bytes)", hint=AGAIN
            )
        yield piece
        spent = time.monotonic() - began
        if spent > GRACE and size < spent * SLOWEST:
            raise InfrastructureError(
                f"{place} sends {path} too slowly: {size} bytes in {spent:.0f} s",
                hint="call it again later",
            )


def length(answer: requests.Response) -> int | None:
    """The bytes that an answer's headers promise; None where they tell no proper number."""
    size = answer.headers.get("Content-Length", "")
    return int(size) if size.isascii() and size.isdecimal() and len(size) < 19 else None


def modified(answer: requests.Response) -> datetime | None:
    """When a file changed, as an answer's headers tell; None where they tell no proper time."""
    try:
        return parsedate_to_datetime(answer.headers.get("Last-Modified", "")).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


class Body(io.RawIOBase):
    """The body of an answer; it raises OSError where the connection ends before it does."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__()
        # What has come so far, and not all that was asked for: else a server that sends a byte
        # now and then would keep its reader from looking at the clock. urllib3 1 has no read1.
        raw: Any = answer.raw
        self._read1 = raw.read1 if hasattr(raw, "read1") else raw._fp.read1
        self._left = length(answer)

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, often fewer; none only at the end. All of them for -1."""
        if size < 0:
            return self.readall()
        try:
            piece: bytes = self._read1(size)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise OSError("the connection broke") from error
        if self._left is not None:
            self._left -= len(piece)
            # read1() takes a connection's early end for the document's.
            if not piece and size and self._left > 0:
                raise OSError("the connection broke")
        return piece
