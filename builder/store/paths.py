# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths in a store: relative, with slashes, and harmless on every kind of place."""

from __future__ import annotations

import re
from typing import Final

from builder.errors import UsageError

# As file names in the index (builder.manifest.parts.FileName), and with a dot in front our own.
PART: Final = re.compile(r"\.?[A-Za-z0-9][A-Za-z0-9._+~-]{0,254}")
LONGEST: Final = 1024


def parts(path: str) -> tuple[str, ...]:
    """The names that a path is made of, none for the store itself; UsageError if it is no path.

    Neither ".." nor an absolute path, a backslash, a space or a control character passes.
    """
    if not path:
        return ()
    found = tuple(path.split("/"))
    if len(path) > LONGEST or not all(PART.fullmatch(part) for part in found):
        raise UsageError(
            f"{path[:200]!r} is no path in a store",
            hint="names have letters, digits and . _ + ~ -, and are divided by one slash",
        )
    return found


def checked(path: str) -> str:
    """The path itself, if it is that of a file or folder in a store; UsageError else."""
    if not parts(path):
        raise UsageError("an empty path names the store itself", hint="name a file in it")
    return path
