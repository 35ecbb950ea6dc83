# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock file of a store on an SFTP server.

Making a file exclusively is one step on the server. Taking over a dead one is not: SFTP cannot
compare and replace. It is renamed away, and looked at again; if it was not the dead one, it is
given back. Between these two steps, and only there, a third publisher can come in; the one whose
lock was moved then learns it when it renews its lock, and changes nothing after that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Final

import paramiko

from builder.store import lease
from builder.store.lease import Seen

LOCK: Final = ".lock"


class SftpLock:
    """The lock file at a path; `session` lends a connection."""

    def __init__(
        self, session: Callable[[str], AbstractContextManager[paramiko.SFTPClient]], path: str
    ) -> None:
        self._session, self._path = session, path
        # Only ours: it tells the server's time, and is what a dead lock becomes.
        self._aside = f"{path}-{uuid.uuid4().hex[:12]}"

    def look(self) -> Seen | None:
        """The file and its age, by a file that is made to compare; None if there is none."""
        with self._session(LOCK) as sftp:
            try:
                content = self._read(sftp, self._path)
            except FileNotFoundError:
                return None
            with sftp.open(self._aside, "wb") as file:
                file.write(b"now\n")
            try:
                age = sftp.lstat(self._aside).st_mtime - sftp.lstat(self._path).st_mtime
            except FileNotFoundError:
                return None
            finally:
                sftp.remove(self._aside)
        return Seen(content, age)

    def create(self, content: bytes) -> bool:
        """Make the file; False if there is one already."""
        with self._session(LOCK) as sftp:
            try:
                file = sftp.open(self._path, "wxb")
            except PermissionError:
                raise
            except OSError as error:
                # The protocol has no word for "there is one".
                with suppress(FileNotFoundError):
                    sftp.lstat(self._path)
                    return False
                raise error
            with file:
                file.write(content)
        return True

    def renew(self, content: bytes) -> bool:
        """Write our own file anew, by which its time becomes the server's present one."""
        with self._session(LOCK) as sftp, suppress(FileNotFoundError):
            if lease.same(self._read(sftp, self._path), content):
                with sftp.open(self._path, "r+b") as file:
                    file.write(content)
                return True
        return False

    def take_over(self, seen: Seen, content: bytes) -> bool:
        """Move a dead lock away and make ours; False if another one was there by then."""
        with self._session(LOCK) as sftp:
            try:
                sftp.posix_rename(self._path, self._aside)
            except FileNotFoundError:
                return False
            if self._read(sftp, self._aside) != seen.content:
                # A rename of SFTP's own, which does not replace.
                sftp.rename(self._aside, self._path)
                return False
            sftp.remove(self._aside)
        return self.create(content)

    def drop(self, content: bytes) -> None:
        """Remove the file, if it is ours."""
        with self._session(LOCK) as sftp, suppress(FileNotFoundError):
            if lease.same(self._read(sftp, self._path), content):
                sftp.remove(self._path)

    def _read(self, sftp: paramiko.SFTPClient, path: str) -> bytes:
        with sftp.open(path, "rb") as file:
            return bytes(file.read(lease.LONGEST))
