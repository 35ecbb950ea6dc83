# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens: read when they are needed, from where only the owner can, and shown to nobody."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from builder.errors import UsageError
from builder.facility.kinds import Token

# What may stand in a header; a line break in it would begin another one.
TOKEN: Final = re.compile(r"[!-~]{1,4096}")


def read(token: Token, folder: Path) -> str:
    """The token itself; a relative path is one in `folder`. UsageError where there is none.

    A file must belong to us, and nobody else may read it.
    """
    if token.env is not None:
        text, where = os.environ.get(token.env, ""), place(token, folder)
        if not text:
            raise UsageError(f"{where} is not set, and has to hold a token", hint="export it")
    else:
        path = _path(token, folder)
        text, where = _text(path), str(path)
    found = text.strip()
    if not TOKEN.fullmatch(found):
        # Never what is there.
        raise UsageError(f"{where} holds no token", hint="it is one line of letters, digits, signs")
    return found


def place(token: Token, folder: Path) -> str:
    """Where a token is, as people write it."""
    return f"${token.env}" if token.env is not None else str(_path(token, folder))


def is_there(token: Token, folder: Path) -> bool:
    """Whether anything is where a token should be, whatever it is worth."""
    if token.env is not None:
        return bool(os.environ.get(token.env))
    return _path(token, folder).exists()


def _path(token: Token, folder: Path) -> Path:
    return folder / Path(token.file or "").expanduser()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            told = os.fstat(file.fileno())
            if told.st_uid != os.geteuid() or stat.S_IMODE(told.st_mode) & 0o077:
                raise UsageError(
                    f"others than its owner can read {path}, which holds a token",
                    hint=f"it must be ours, and have the mode 0600: chmod 600 {path}",
                )
            return file.read(8192).decode(errors="replace")
    except OSError as error:
        raise UsageError(
            f"the token's file {path} cannot be read: {error.strerror}",
            hint="write the token into it, with the mode 0600",
        ) from error
