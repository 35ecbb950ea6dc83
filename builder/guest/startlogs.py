# SPDX-License-Identifier: GPL-2.0-or-later
"""What each start of a guest leaves for people: its journal, and how long it took.

Nothing here may fail a boot: what cannot be had is left out, and the log of the tests says why.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

from builder.errors import ForgeError
from builder.guest.guest import Guest

log = logging.getLogger(__name__)

# Bytes above which a text is kept compressed: browsers show what is smaller.
BIG: Final = 1 << 20
# Seconds as they are under KVM.
PATIENCE: Final = 30.0
# How a guest that is asked may fail to answer.
UNANSWERED: Final = (ForgeError, OSError, EOFError, paramiko.SSHException)


@dataclass(frozen=True)
class Question:
    """A file that is made at the end of each start, of the output of these commands."""

    stem: str
    what: str
    commands: tuple[str, ...]


JOURNAL: Final = Question(
    "journal", "journal", ("journalctl --boot --output=short-monotonic --no-hostname --no-pager",)
)
ANALYZE: Final = Question(
    "analyze",
    "systemd-analyze",
    (
        "systemd-analyze time --no-pager",
        "systemd-analyze blame --no-pager",
        "systemd-analyze critical-chain --no-pager",
    ),
)
QUESTIONS: Final = (JOURNAL, ANALYZE)


def collect(guest: Guest, folder: Path, kind: str, number: int) -> None:
    """Ask the guest about its present start, the `number`th, and keep the answers in `folder`."""
    for question in QUESTIONS:
        try:
            _ask(guest, question, folder / f"{question.stem}-{kind}-{number}.log")
        except UNANSWERED as error:
            log.warning("no %s of start %d: %s", question.what, number, error)
            return


def _ask(guest: Guest, question: Question, path: Path) -> None:
    parts = []
    for command in question.commands:
        answer = guest.run(command, PATIENCE)
        said = answer.stdout + answer.stderr
        # One command is its own heading; of several, each gets one.
        parts.append(said if len(question.commands) == 1 else f"# {command}\n{said}")
    write("\n".join(parts), path)


def write(text: str, path: Path) -> Path:
    """Keep a text, as PATH.gz if it is big; what an earlier boot left under the name is gone."""
    packed = path.with_name(f"{path.name}.gz")
    content = text.encode()
    path.unlink(missing_ok=True)
    packed.unlink(missing_ok=True)
    if len(content) <= BIG:
        path.write_bytes(content)
        return path
    packed.write_bytes(gzip.compress(content, mtime=0))
    return packed


def sections(text: str) -> Mapping[str, str]:
    """The answers in a file of several commands, by command."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            lines = found.setdefault(line.removeprefix("# "), [])
        else:
            lines.append(line)
    return {command: "\n".join(answer).strip() for command, answer in found.items()}
