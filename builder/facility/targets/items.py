# SPDX-License-Identifier: GPL-2.0-or-later
"""What all targets do with an image before it goes anywhere, and which older ones may go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from builder.errors import InfrastructureError, UsageError
from builder.facility.targets.target import Held, Item
from builder.names import serial_key
from builder.progress import Progress
from builder.store import paths
from builder.store.place import OnBytes

PIECE = 1 << 20
QCOW2 = b"QFI\xfb"


def label(item: Item) -> str:
    """The build of an item: NAME-SERIAL."""
    return f"{item.name}-{item.serial}"


def suffix(item: Item) -> str:
    """What follows NAME-SERIAL in the file's name, such as ".qcow2"."""
    name = item.path.name
    found = name.removeprefix(label(item)) if name.startswith(f"{label(item)}.") else ""
    return found or f".{item.format}"


def file_name(item: Item) -> str:
    """NAME-SERIAL.SUFFIX; UsageError where that is no plain file name."""
    name = label(item) + suffix(item)
    if paths.PART.fullmatch(name) is None:
        raise UsageError(f"{name!r} is no file name", hint="name the file by its format")
    return name


def refuse_format(item: Item, formats: tuple[str, ...], target: str) -> None:
    """Raise UsageError for an image in a format that a target does not take."""
    if item.format not in formats:
        raise UsageError(
            f"the target {target} takes no {item.format}", hint=f"it takes: {', '.join(formats)}"
        )


def meter(progress: Progress, total: int) -> OnBytes:
    """What is told of moved bytes, and shows them in MiB of `total` bytes."""
    done = 0

    def moved(count: int) -> None:
        nonlocal done
        done += count
        progress.update(done >> 20, total >> 20)

    return moved


def verify(item: Item, progress: Progress, *algorithms: str) -> dict[str, str]:
    """Read the local file and compare it with its sha256, before anything is sent.

    Returns its digests by each of `algorithms` (of hashlib), in hexadecimal, from the same reading.
    Raises InfrastructureError if it is another file.
    """
    progress.stage(f"Reading {label(item)} ({item.format})")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", *algorithms)}
    try:
        with item.path.open("rb") as file:
            for piece in pieces(file, meter(progress, item.size)):
                for digest in digests.values():
                    digest.update(piece)
    except OSError as error:
        raise InfrastructureError(
            f"{item.path}: {error.strerror}", hint="is the local store whole?"
        ) from error
    if digests["sha256"].hexdigest() != item.sha256:
        raise InfrastructureError(
            f"{item.path} is not the file that the store's index names",
            hint="it was changed or cut off; pull or build the image again",
        )
    return {name: digest.hexdigest() for name, digest in digests.items()}


def pieces(file: IO[bytes], moved: Callable[[int], None]) -> Iterable[bytes]:
    """The rest of a file in pieces; `moved` is told of each."""
    while piece := file.read(PIECE):
        yield piece
        moved(len(piece))


def virtual_size(path: Path, form: str) -> int | None:
    """The size in bytes of the disk that a qcow2 or raw file is; None for other formats."""
    if form == "raw":
        return path.stat().st_size
    with path.open("rb") as file:
        head = file.read(32)
    if head[:4] != QCOW2:
        return None
    # docs/interop/qcow2.txt of QEMU: "size", eight bytes from byte 24 on, big-endian.
    return int.from_bytes(head[24:32], "big")


def superseded(held: Iterable[Held], name: str, keep: int) -> tuple[Held, ...]:
    """Which images of a series may go: not current, not in use, not among the newest `keep` older.

    The oldest is first.
    """
    older = [each for each in held if each.name == name and not each.current]
    older.sort(key=lambda each: serial_key(each.serial))
    return tuple(each for each in older[: max(len(older) - keep, 0)] if not each.in_use)
