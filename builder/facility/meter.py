# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes that arrive, told to a progress in MiB; several threads may tell them."""

from __future__ import annotations

from threading import Lock

from builder.progress import Progress


class Meter:
    """Counts bytes, of `total`."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._lock = Lock()

    def __call__(self, count: int) -> None:
        """So many more bytes are there."""
        with self._lock:
            before, self._done = self._done >> 20, self._done + count
            # A terminal need not be drawn for each piece.
            if self._done >> 20 != before:
                self._progress.update(self._done >> 20, self._total >> 20)
