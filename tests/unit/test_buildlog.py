# SPDX-License-Identifier: GPL-2.0-or-later
"""The builder's log has all that is logged, without logins, and leaves logging as it was."""

from __future__ import annotations

import contextlib
import gzip
import logging
from pathlib import Path

from builder import buildlog


def test_all_is_kept_and_logins_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.build.log.gz"
    logger = logging.getLogger("builder.run")
    before = logging.getLogger("builder").level, list(logging.getLogger("builder").handlers)
    with contextlib.suppress(KeyError), buildlog.kept_in(path):
        logger.debug("run: %s", "apt-get -o x http://me:secret@mirror.invalid/debian")
        logging.getLogger("paramiko").info("not ours")
        raise KeyError
    logger.debug("afterwards")
    (line,) = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert line.endswith("run: apt-get -o x http://***@mirror.invalid/debian")
    assert line.startswith("20")
    assert before == (
        logging.getLogger("builder").level,
        list(logging.getLogger("builder").handlers),
    )
