# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that several images have in common, asked for once in a run.

Six images of Rocky Linux are found by one list of folders, and all of Ubuntu by one stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from builder.downloads.documents import LARGEST, Document, Documents
from builder.errors import InfrastructureError

# Bytes of all documents that are remembered: what servers send must not fill the memory.
MOST: Final = 128 << 20


@dataclass
class Known:
    """What was answered in this run: documents, and why there are none. Threads may share it."""

    most: int = MOST
    _told: dict[Hashable, Document | InfrastructureError] = field(default_factory=dict)
    _turns: defaultdict[Hashable, Lock] = field(default_factory=lambda: defaultdict(Lock))
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: Hashable, ask: Callable[[], Document]) -> Document:
        """The answer that is known, else what `ask` gives; who wants the same waits for it."""
        with self._lock:
            turn = self._turns[key]
        with turn:
            told = self._told.get(key)
            if told is None:
                told = self._asked(key, ask)
        if isinstance(told, InfrastructureError):
            # A new one each time: it grows by where it is raised.
            raise type(told)(told.message, hint=told.hint)
        return told

    def _asked(self, key: Hashable, ask: Callable[[], Document]) -> Document | InfrastructureError:
        told: Document | InfrastructureError
        try:
            told = ask()
        except InfrastructureError as error:
            told = error
        size = len(told.content) if isinstance(told, Document) else 0
        with self._lock:
            if size <= self.most:
                self.most -= size
                self._told[key] = told
        return told


@dataclass(frozen=True)
class Once(Documents):
    """Documents as `Documents` reads them, but each only once as long as `known` lives."""

    known: Known = field(default_factory=Known, compare=False, repr=False)

    def get(self, url: str, *, accept: str = "", largest: int = LARGEST) -> Document:
        """A document; see `Documents.get`."""
        # Whom an answer may come from is a part of the question.
        hosts = None if self.hosts is None else frozenset(self.hosts)
        return self.known.get(
            (url, accept, largest, hosts),
            lambda: super(Once, self).get(url, accept=accept, largest=largest),
        )
