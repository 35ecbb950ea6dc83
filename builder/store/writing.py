# SPDX-License-Identifier: GPL-2.0-or-later
"""Writing a store's index: signed, verified as a reader would, and replaced at once.

The signed index is one file, so there is no moment in which a reader could see the index of one
change with the signature of another. What else says what is in the store follows from it, and is
written afterwards: whoever was killed in between, or comes next, completes that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from builder.errors import InfrastructureError, UsageError
from builder.store import fetching, reading
from builder.store.index import NAME, SIGNED, SeriesEntry, StoreIndex, folder
from builder.store.keys import Signs, Verifies
from builder.store.memory import Memory
from builder.store.place import Place

# In the folder of each series: where its newest build is, relative to that folder.
LATEST: Final = "latest"
VALID: Final = timedelta(days=30)


@dataclass(frozen=True)
class Publisher:
    """Who changes a store, under the place's lock.

    `trusted` verifies the index that is there, and must verify ours; `valid` is for how long a new
    index is. `follow` writes what follows from an index beyond its own files.
    """

    place: Place
    signer: Signs
    trusted: Verifies
    memory: Memory
    valid: timedelta = VALID
    follow: Callable[[StoreIndex], None] = lambda _: None

    def current(self) -> StoreIndex | None:
        """The index that is there, also an expired one; None in a new store."""
        return reading.signed(self.place, self.trusted, self.memory)

    def replace(
        self, old: StoreIndex | None, series: Iterable[SeriesEntry], now: datetime
    ) -> StoreIndex:
        """Put a new index in place of `old`, and all that follows from it."""
        index = StoreIndex(
            serial=old.serial + 1 if old else 1,
            date=now,
            valid_until=now + self.valid,
            series=tuple(series),
        )
        text = dump(index)
        where = f"the new index of {self.place.url}"
        document = self.signer.clearsigned(text)
        # Readers would be locked out by a key that they do not have, or a text that gpg changed.
        if self.trusted.opened(document, where) != text:
            raise InfrastructureError(
                f"{where} is not what was signed", hint="nothing was changed; tell us about this"
            )
        self.place.write(SIGNED, document)
        self.memory.remember(self.place.url, index.serial)
        self.settle(index)
        return index

    def settle(self, index: StoreIndex) -> None:
        """Write what follows from the index, where it is not there yet."""
        self._put(NAME, dump(index))
        for entry in index.series:
            path = f"{entry.name}/{LATEST}"
            line = latest(entry)
            if line:
                self._put(path, line.encode())
            elif self.place.size(path) is not None:
                self.place.remove(path)
        self.follow(index)

    def _put(self, path: str, content: bytes) -> None:
        if not fetching.holds(self.place, path, content):
            self.place.write(path, content)


def dump(index: StoreIndex) -> bytes:
    """The index as JSON, a value on each line: gpg signs no text with lines that are very long."""
    plain = index.model_dump(mode="json", by_alias=True)
    return (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode()


def latest(entry: SeriesEntry) -> str:
    """One line, the newest build's folder in that of its series; released ones go first.

    Empty where no build is public.
    """
    build = reading.newest(entry, "release") or reading.newest(entry)
    return folder(entry.name, build).partition("/")[2] + "\n" if build else ""


def refresh(publisher: Publisher, now: datetime) -> StoreIndex:
    """Sign the index anew without a change, so that it stays valid; UsageError in a new store."""
    with publisher.place.lock():
        index = publisher.current()
        if index is None:
            raise UsageError(
                f"there is no index in {publisher.place.url}", hint="publish something first"
            )
        return publisher.replace(index, index.series, now)
