# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of an SFTP server: what kind they are, reading them fast, comparing them with ours.

Paths are whole ones, as the server knows them. Errors are paramiko's and the system's.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import IO, Final

import paramiko

from builder.errors import InfrastructureError
from builder.store.place import OnBytes

PIECE: Final = 1 << 20
# How much is asked for before the first answer came.
AHEAD: Final = 4 << 20
# What every server takes in one request (draft-ietf-secsh-filexfer-02, section 3).
REQUEST: Final = 32768


class Content(io.RawIOBase):
    """The content of an open file, asked for in many requests at once.

    `told` makes errors of the server into errors in words.
    """

    def __init__(
        self,
        file: paramiko.SFTPFile,
        offset: int,
        size: int,
        told: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._file, self._at, self._size, self._told = file, offset, size, told

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as the file goes; the size that it had at first is what counts."""
        end = min(self._at + len(buffer), self._size)
        pieces = [(at, min(REQUEST, end - at)) for at in range(self._at, end, REQUEST)]
        with self._told():
            found = b"".join(self._file.readv(pieces)) if pieces else b""
            if len(found) != sum(length for _, length in pieces):
                raise EOFError("the file became shorter while it was read")
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def regular(found: paramiko.SFTPAttributes, path: str) -> int:
    """The size of what must be a regular file."""
    if not stat.S_ISREG(found.st_mode):
        raise InfrastructureError(
            f"{path} is no regular file", hint="who put it there? nothing of ours makes such one"
        )
    return int(found.st_size)


def folder(found: paramiko.SFTPAttributes, path: str) -> None:
    """Refuse what is no folder, such as a symbolic link to one."""
    if not stat.S_ISDIR(found.st_mode):
        raise InfrastructureError(
            f"{path} is no folder", hint="symbolic links in a store are not followed"
        )


def made(sftp: paramiko.SFTPClient, path: str) -> paramiko.SFTPAttributes:
    """Make a folder, which another worker may do at the same time."""
    try:
        sftp.mkdir(path)
    except OSError as error:
        # The protocol has no word for "there is one".
        with suppress(FileNotFoundError):
            return sftp.lstat(path)
        raise error
    return sftp.lstat(path)


def kept(sftp: paramiko.SFTPClient, path: str, source: IO[bytes], on_bytes: OnBytes) -> int:
    """How many bytes of `source` are at a path already; nothing else is there afterwards."""
    same = 0
    with suppress(FileNotFoundError):
        if stat.S_ISREG(sftp.lstat(path).st_mode):
            same = equal(sftp, path, source, on_bytes)
            sftp.truncate(path, same)
            return same
        sftp.remove(path)
    # Exclusive: a link that somebody makes at this moment is not followed.
    sftp.open(path, "wxb").close()
    return same


def equal(sftp: paramiko.SFTPClient, path: str, source: IO[bytes], on_bytes: OnBytes) -> int:
    """Up to where the file at a path is as `source` is, in whole pieces."""
    same = 0
    with sftp.open(path, "rb") as file:
        theirs = io.BufferedReader(Content(file, 0, file.stat().st_size, _plain), AHEAD)
        while (ours := source.read(PIECE)) and ours == theirs.read(len(ours)):
            same += len(ours)
            on_bytes(len(ours))
    return same


def remove(sftp: paramiko.SFTPClient, path: str, found: paramiko.SFTPAttributes) -> None:
    """Remove a file or link, or a folder with all that is in it."""
    if not stat.S_ISDIR(found.st_mode):
        sftp.remove(path)
        return
    for each in sftp.listdir_attr(path):
        # What a server says is a name must not lead out of the folder.
        if each.filename in (".", "..") or "/" in each.filename:
            raise InfrastructureError(
                f"the server says that {each.filename!r} is in {path}", hint="is it the right one?"
            )
        inner = f"{path}/{each.filename}"
        remove(sftp, inner, sftp.lstat(inner))
    sftp.rmdir(path)


def _plain() -> AbstractContextManager[None]:
    return nullcontext()
