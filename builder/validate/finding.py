# SPDX-License-Identifier: GPL-2.0-or-later
"""One thing that is wrong with a class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.documents import DocumentError
from builder.errors import ForgeError


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what to do; `line` counts from 1, 0 where none is known."""

    check: str
    path: Path
    sentence: str
    hint: str
    line: int = 0

    @property
    def place(self) -> str:
        """The file, and the line where one is known, as editors and compilers write it."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)


def of_error(check: str, path: Path, error: ForgeError) -> Finding:
    """The finding that an error stands for; `path` is where it is, unless it says so itself."""
    if isinstance(error, DocumentError):
        return Finding(check, error.path, error.sentence, error.hint, error.line)
    return Finding(check, path, error.message.removeprefix(f"{path}: "), error.hint)
