# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file must be, and what is known of the one that comes: its size, digests and beginning."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from builder.checksums import Checksum
from builder.downloads import partial
from builder.downloads.client import public
from builder.downloads.pieces import AGAIN, PIECE, WrongContent
from builder.errors import InfrastructureError

# Bytes of an image whose size nobody tells.
LARGEST: Final = 1 << 36
# Enough to tell what a file is.
HEAD: Final = 64


class OtherFile(InfrastructureError):
    """Where a file should go, there is another one."""


@dataclass(frozen=True)
class Wanted:
    """What a file must be, as far as it is known before it comes.

    `size` and `largest` are in bytes. `looks` is given the first `HEAD` bytes, and says what is
    wrong with them; empty if nothing is.
    """

    size: int | None = None
    checksum: Checksum | None = None
    largest: int = LARGEST
    looks: Callable[[bytes], str] = lambda _: ""


@dataclass(frozen=True)
class Fetched:
    """A file that is here: its size in bytes, its digests, and the bytes that came over the line.

    `modified` is when it changed at the server, as HTTP writes it; empty where it is not told.
    """

    size: int
    sha256: str
    sha512: str
    transferred: int
    modified: str = ""


@dataclass
class State:
    """The bytes that are here, and what is known of them."""

    size: int = 0
    head: bytes = b""
    short: hashlib._Hash = field(default_factory=hashlib.sha256)
    long: hashlib._Hash = field(default_factory=hashlib.sha512)

    def add(self, piece: bytes) -> None:
        """The next bytes."""
        if self.size < HEAD:
            self.head = (self.head + piece)[:HEAD]
        self.size += len(piece)
        self.short.update(piece)
        self.long.update(piece)

    def fetched(self, moved: int, modified: str = "") -> Fetched:
        """All that is known at the end."""
        return Fetched(self.size, self.short.hexdigest(), self.long.hexdigest(), moved, modified)


def present(target: Path, wanted: Wanted, on_bytes: Callable[[int], None]) -> Fetched:
    """A file that is here already; OtherFile if it is another one."""
    state = State()
    with partial.writing(target), target.open("rb") as file:
        while piece := file.read(PIECE):
            state.add(piece)
    try:
        verify(str(target), wanted, state)
    except WrongContent as error:
        raise OtherFile(
            f"{target} is there, and is another file",
            hint="move it away; nothing is ever overwritten",
        ) from error
    on_bytes(state.size)
    return state.fetched(0)


def verify(what: str, wanted: Wanted, state: State) -> None:
    """Raise WrongContent unless what is here is what is wanted."""
    if wanted.size is not None and state.size != wanted.size:
        raise WrongContent(
            f"{what} has {state.size} bytes, and should have {wanted.size}", hint=AGAIN
        )
    glance(what, wanted, state)
    found = {"sha256": state.short, "sha512": state.long}
    if wanted.checksum and found[wanted.checksum.algorithm].hexdigest() != wanted.checksum.value:
        raise WrongContent(
            f"{what} is not what its publisher says: its {wanted.checksum.algorithm} is another",
            hint=AGAIN,
        )


def glance(url: str, wanted: Wanted, state: State) -> None:
    """Raise WrongContent for a file that begins in a wrong way."""
    wrong = wanted.looks(state.head)
    if wrong:
        raise WrongContent(f"{public(url) if '://' in url else url} {wrong}", hint=AGAIN)
