# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of our images of a series, kept beside them where a place has no names that move.

Its first line is the name of the newest good image, for people and scripts; the others say what is
ours, and whether all of it arrived. It is always of the same size, one page, and written at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from builder.errors import InfrastructureError, UsageError

SUFFIX: Final = ".latest"
SIZE: Final = 4096
MARK: Final = "# fai-forge: its images here. What is only sent did not arrive yet."
ROW: Final = re.compile(
    r"(good|sent) ([0-9a-f]{64}) ([0-9]{8}(?:\.[1-9][0-9]*)?) ([A-Za-z0-9][A-Za-z0-9._+~-]*)"
)


@dataclass(frozen=True)
class Row:
    """One image: whether it is good, or was only sent so far."""

    state: Literal["good", "sent"]
    sha256: str
    serial: str
    volume: str


@dataclass(frozen=True)
class SeriesList:
    """The images of a series; `current` is the volume that the series' name means, or empty."""

    current: str = ""
    rows: tuple[Row, ...] = ()

    @classmethod
    def read(cls, content: bytes, where: str) -> Self:
        """The list in a text; UsageError if it is none of ours, and `where` says which one."""
        first, *lines = content.decode(errors="replace").split("\n")
        rows = [ROW.fullmatch(line) for line in lines[1:] if line.strip("\0")]
        if lines[:1] != [MARK] or not all(rows):
            raise UsageError(
                f"{where} was there before, and is not ours",
                hint="give it another name; it is not touched",
            )
        found = tuple(
            Row("good" if row[1] == "good" else "sent", row[2], row[3], row[4])
            for row in rows
            if row
        )
        return cls(first, found)

    def text(self) -> bytes:
        """What is written, of `SIZE` bytes; InfrastructureError if it does not fit."""
        rows = [f"{row.state} {row.sha256} {row.serial} {row.volume}" for row in self.rows]
        content = "\n".join([self.current, MARK, *rows, ""]).encode()
        if len(content) > SIZE:
            raise InfrastructureError(
                f"{len(rows)} images of one series are too many to list",
                hint="remove some that are in use, or keep fewer",
            )
        # Newlines: a shell's $(...) drops them.
        return content.ljust(SIZE, b"\n")

    def find(self, volume: str) -> Row | None:
        """The row of a volume."""
        return next((row for row in self.rows if row.volume == volume), None)

    def with_(self, row: Row, *, current: bool = False) -> SeriesList:
        """The same with a row, in place of the one of its volume, which becomes the current one."""
        rows = (*self.without(row.volume).rows, row)
        return SeriesList(row.volume if current else self.current, rows)

    def without(self, volume: str) -> SeriesList:
        """The same without a volume."""
        return replace(self, rows=tuple(row for row in self.rows if row.volume != volume))
