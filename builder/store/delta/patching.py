# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches by zstd: what a file has beyond another one, segment by segment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from builder.errors import InfrastructureError
from builder.install.workspace import available_memory
from builder.run import CommandError, needs, run
from builder.store.delta.segments import Segment, segments

# Measured in docs/deltas.md: 3 is as fast as reading, 9 saves a sixth of what a new kernel takes,
# 15 hardly more in fifteen times as long.
LEVEL: Final = 9
# zstd's window, as a power of two: a segment and its part of the base fit into it.
WINDOW: Final = 31
PIECE: Final = 1 << 20
# zstd's own tables, beside the base and the window.
MEMORY: Final = 256 << 20


@needs("zstd", package="zstd", purpose="make and apply deltas of images")
def make(base: Path, new: Path, work: Path) -> list[Path]:
    """Patches that make the file `new` out of `base`, in `work`, one for each segment."""
    made = []
    with new.open("rb") as source:
        for number, segment in enumerate(_segments(new, base)):
            patch = work / f"{new.name}.{number}.zst"
            piece = work / f"{new.name}.{number}"
            whole = segment.length == new.stat().st_size
            with _window(base, segment, work) as window:
                if not whole:
                    _copy(source, piece, segment.length)
                words = ("zstd", "-q", "-f", f"-{LEVEL}", "-T0", f"--long={WINDOW}")
                run([*words, f"--patch-from={window}", new if whole else piece, "-o", patch])
            piece.unlink(missing_ok=True)
            made.append(patch)
    return made


@needs("zstd", package="zstd", purpose="make and apply deltas of images")
@needs("prlimit", package="util-linux", purpose="bound what a delta may write")
def apply(base: Path, length: int, patches: Sequence[Path], target: Path, work: Path) -> None:
    """Make the file of `length` bytes that the patches make out of `base`.

    Never more is written than `length`. Raises InfrastructureError where a patch does not fit or
    gives another length, or memory is short, and OSError where the disk is full.
    """
    with target.open("wb") as out:
        for segment, patch in zip(segments(length, base.stat().st_size), patches, strict=True):
            _check_memory(segment)
            piece = work / f"{target.name}.piece"
            with _window(base, segment, work) as window:
                bound = ("prlimit", f"--fsize={segment.length}")
                words = ("zstd", "-q", "-f", "-d", "--no-sparse", f"--long={WINDOW}")
                try:
                    run([*bound, *words, f"--patch-from={window}", patch, "-o", piece])
                except CommandError as error:
                    raise InfrastructureError(
                        f"zstd cannot apply a delta: {error.done.output.strip() or error}",
                        hint="the delta is damaged, or this machine has no room",
                    ) from error
            if piece.stat().st_size != segment.length:
                raise InfrastructureError(
                    f"a delta gives {piece.stat().st_size} bytes in place of {segment.length}",
                    hint="whoever made it made a mistake",
                )
            with piece.open("rb") as source:
                shutil.copyfileobj(source, out, PIECE)
            piece.unlink()


def _segments(new: Path, base: Path) -> tuple[Segment, ...]:
    return segments(new.stat().st_size, base.stat().st_size)


@contextmanager
def _window(base: Path, segment: Segment, work: Path) -> Iterator[Path]:
    """The part of the base that a patch starts from, as a file; the base itself if it is all."""
    if (segment.begin, segment.end) == (0, base.stat().st_size):
        yield base
        return
    window = work / f"{base.name}.window"
    with base.open("rb") as source:
        source.seek(segment.begin)
        _copy(source, window, segment.end - segment.begin)
    try:
        yield window
    finally:
        window.unlink()


def _copy(source: IO[bytes], target: Path, length: int) -> None:
    with target.open("wb") as out:
        while length and (piece := source.read(min(PIECE, length))):
            out.write(piece)
            length -= len(piece)


def _check_memory(segment: Segment) -> None:
    # zstd has the base and what it makes in memory; without that the kernel would end somebody.
    needed = segment.end - segment.begin + segment.length + MEMORY
    if available_memory() < needed:
        raise InfrastructureError(
            f"a delta needs {needed >> 20} MiB of memory, and {available_memory() >> 20} are free",
            hint="it is spared by the whole file",
        )


def free(folder: Path, needed: int) -> None:
    """Raise InfrastructureError unless a folder's file system has `needed` bytes free."""
    there = os.statvfs(folder)
    room = there.f_bavail * there.f_frsize
    if room < needed:
        raise InfrastructureError(
            f"{folder} has room for {room >> 20} MiB, and a delta needs {needed >> 20}",
            hint="free some space there",
        )
