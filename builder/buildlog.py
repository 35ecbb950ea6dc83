# SPDX-License-Identifier: GPL-2.0-or-later
"""The builder's own log of a build: each program that it ran, and what that said.

FAI's log is another one. This one is kept beside the image, too: a CI forgets its jobs' output.
"""

from __future__ import annotations

import gzip
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

# A login in a URL, such as a mirror's.
LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
OURS = "builder"


class _Lines(logging.Formatter):
    """Lines with a time in UTC, and without logins."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        return LOGIN.sub("***@", super().format(record))


@contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """Write all that the builder logs meanwhile into a compressed file, however little is shown."""
    logger = logging.getLogger(OURS)
    level = logger.level
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8", errors="replace") as stream,
    ):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_Lines("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
