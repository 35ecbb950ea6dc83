# SPDX-License-Identifier: GPL-2.0-or-later
"""What this room asks of the tools tree: run one of its programs on files that both sides see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import Protocol

from builder.errors import InfrastructureError
from builder.run import DEFAULT_TIMEOUT, CommandError, Completed


class Toolbox(Protocol):
    """The tools tree; the paths that it is given are the same inside it and outside."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        capture: bool = False,
    ) -> Completed:
        """Run a program of the tools tree, as `builder.run.run` does for those of the host."""
        ...


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Turn "no space left on device", from us or from a program, into one clear sentence."""
    try:
        yield
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        raise _full(folder) from error
    except CommandError as error:
        if "No space left on device" not in error.done.output:
            raise
        raise _full(folder) from error


def _full(folder: Path) -> InfrastructureError:
    return InfrastructureError(
        f"the file system of {folder} is full",
        hint="free some space there, or choose another folder; then run the same command again",
    )
