# SPDX-License-Identifier: GPL-2.0-or-later
"""A store on an SFTP server, such as OpenSSH's.

A path is walked name by name, and a symbolic link below the store's own folder is refused. SFTP has
no way to hold a folder while its files are used, so somebody with an account on the server can be
faster: this guards against what lies there, not against a server that is not trusted.

SSH protects what is sent, but a disk may be full. An upload gets its name only if it has the right
size; that all of its bytes are right, the publisher finds out by reading it back, since the
answers to writes that nobody waited for are lost. What `write` writes is small, and compared at
once. What is not done: SFTP cannot ask for fsync, so a server that loses power may lose what was
published seconds before.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import paramiko

from builder.downloads.partial import name_of
from builder.errors import InfrastructureError, UsageError
from builder.store import lease, paths, sftpfiles, ssh
from builder.store.place import OnBytes
from builder.store.sftpfiles import AHEAD, PIECE
from builder.store.sftplock import LOCK, SftpLock


class SftpPlace:
    """A folder of an SFTP server; it is made by the first publisher that locks it.

    Every user at a time has a connection of its own; they are kept for the next one.
    """

    def __init__(self, server: ssh.Server, root: str, lock_seconds: float = lease.SECONDS) -> None:
        self._server, self._root, self._lock_seconds = server, root, lock_seconds
        self._idle: list[_Session] = []
        self._lease: lease.Lease | None = None

    @classmethod
    def at(cls, url: str) -> SftpPlace:
        """The place of sftp://[USER@]HOST[:PORT]/PATH; UsageError for what is no such URL."""
        server = ssh.Server.of(url)
        parts = urlsplit(url)
        root = unquote(parts.path).rstrip("/")
        if not root or ".." in root.split("/") or parts.query or parts.fragment:
            raise UsageError(
                f"the URL of the store on {server} has no path that can be used",
                hint="write sftp://[USER@]HOST[:PORT]/PATH, with the whole path on the server",
            )
        return cls(server, root)

    @property
    def url(self) -> str:
        """The URL, without a password since there never is one."""
        return f"sftp://{self._server}{self._root}"

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        *parents, name = paths.parts(paths.checked(path))
        with self._session(path) as sftp, suppress(FileNotFoundError):
            found = sftp.lstat(f"{self._folder(sftp, parents)}/{name}")
            return sftpfiles.regular(found, path)
        return None

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        """The content of a file from an offset on; FileNotFoundError where there is none."""
        *parents, name = paths.parts(paths.checked(path))
        with ExitStack() as stack:
            # What the caller raises is not an error of the server: it is not put into words.
            sftp = stack.enter_context(self._lent())
            with self._told(path):
                full = f"{self._folder(sftp, parents)}/{name}"
                sftpfiles.regular(sftp.lstat(full), path)
                file = stack.enter_context(sftp.open(full, "rb"))
                # Of what is open: another file may have this name by now.
                size = sftpfiles.regular(file.stat(), path)
            told = partial(self._told, path)
            yield io.BufferedReader(sftpfiles.Content(file, offset, size, told), AHEAD)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other publishers out with a lock file; see `builder.store.lease`."""
        with self._lent(make=True):
            pass
        file = SftpLock(self._session, f"{self._root}/{LOCK}")
        with lease.hold(self.url, file, self._lock_seconds) as held:
            self._lease = held
            try:
                yield
            finally:
                self._lease = None

    def names(self, folder: str) -> tuple[str, ...]:
        """The files and folders in a folder, without hidden ones; none if it does not exist."""
        with self._session(folder) as sftp, suppress(FileNotFoundError):
            found = sftp.listdir(self._folder(sftp, paths.parts(folder)))
            return tuple(sorted(name for name in found if not name.startswith(".")))
        return ()

    def upload(self, local: Path, path: str, on_bytes: OnBytes) -> None:
        """Put a file at a path; what an upload that was broken off left is kept as far as equal.

        `on_bytes` is told of those bytes, too.
        """
        *parents, name = paths.parts(paths.checked(path))
        with local.open("rb") as source, self._changing(path) as sftp:
            folder = self._folder(sftp, parents, make=True)
            unfinished = f"{folder}/{name_of(name)}"
            same = sftpfiles.kept(sftp, unfinished, source, on_bytes)
            source.seek(same)
            with sftp.open(unfinished, "r+b") as file:
                file.set_pipelined(True)
                file.seek(same)
                while piece := source.read(PIECE):
                    file.write(piece)
                    on_bytes(len(piece))
            self._name(sftp, unfinished, source.tell(), f"{folder}/{name}")

    def write(self, path: str, content: bytes) -> None:
        """Put a small file at a path at once, in place of another one if there is one."""
        *parents, name = paths.parts(paths.checked(path))
        with self._changing(path) as sftp:
            folder = self._folder(sftp, parents, make=True)
            unfinished = f"{folder}/{name_of(name)}"
            with suppress(FileNotFoundError):
                sftp.remove(unfinished)
            with sftp.open(unfinished, "wxb") as file:
                file.write(content)
            same = sftpfiles.equal(sftp, unfinished, io.BytesIO(content), _nobody)
            self._name(sftp, unfinished, len(content), f"{folder}/{name}", same)

    def move(self, folder: str, to: str) -> None:
        """Rename a folder; InfrastructureError if there is something at `to`."""
        *old_parents, old = paths.parts(paths.checked(folder))
        *new_parents, new = paths.parts(paths.checked(to))
        with self._changing(to) as sftp:
            source = f"{self._folder(sftp, old_parents)}/{old}"
            target = f"{self._folder(sftp, new_parents, make=True)}/{new}"
            # Not all servers refuse to replace an empty folder.
            with suppress(FileNotFoundError):
                sftp.lstat(target)
                raise FileExistsError("there is something of this name already")
            sftp.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; a symbolic link alone."""
        *parents, name = paths.parts(paths.checked(path))
        with self._changing(path) as sftp, suppress(FileNotFoundError):
            full = f"{self._folder(sftp, parents)}/{name}"
            sftpfiles.remove(sftp, full, sftp.lstat(full))

    def _name(
        self,
        sftp: paramiko.SFTPClient,
        unfinished: str,
        size: int,
        full: str,
        same: int | None = None,
    ) -> None:
        """Give a file its name if it has the right size, and where they were compared, bytes."""
        there = sftp.lstat(unfinished).st_size
        if not size == there == (size if same is None else same):
            sftp.remove(unfinished)
            raise InfrastructureError(
                f"{full} on {self._server} came out different from what was sent",
                hint="is the server's disk full? nothing was changed; call this again",
            )
        self._check()
        sftp.posix_rename(unfinished, full)

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    @contextmanager
    def _changing(self, path: str) -> Iterator[paramiko.SFTPClient]:
        """A session that may change something, if the lock that we had is still ours."""
        self._check()
        with self._session(path) as sftp:
            yield sftp

    @contextmanager
    def _session(self, path: str) -> Iterator[paramiko.SFTPClient]:
        """A connection for us alone, and its errors in words, but for what is absent."""
        with self._told(path), self._lent() as sftp:
            yield sftp

    @contextmanager
    def _lent(self, make: bool = False) -> Iterator[paramiko.SFTPClient]:
        """A connection for us alone; after most errors it is closed: answers may be left in it."""
        session = self._idle_one() or _Session(self._server)
        try:
            if make or not session.rooted:
                with self._told(""):
                    self._find_root(session.sftp, make)
                session.rooted = True
            yield session.sftp
        except FileNotFoundError:
            self._idle.append(session)
            raise
        except BaseException:
            session.close()
            raise
        self._idle.append(session)

    def _idle_one(self) -> _Session | None:
        with suppress(IndexError):
            while True:
                session = self._idle.pop()
                if session.alive():
                    return session
                session.close()
        return None

    def _find_root(self, sftp: paramiko.SFTPClient, make: bool) -> None:
        try:
            # The root itself may be a link: the person who named it chose it.
            sftp.stat(self._root)
        except FileNotFoundError as error:
            if not make:
                raise InfrastructureError(
                    f"there is no folder {self.url}", hint="is it mounted, and spelled right?"
                ) from error
            sftp.mkdir(self._root)

    def _folder(
        self, sftp: paramiko.SFTPClient, names: Sequence[str], *, make: bool = False
    ) -> str:
        """The path of a folder on the server, if no symbolic link is on the way."""
        full = self._root
        for name in names:
            full = f"{full}/{name}"
            try:
                found = sftp.lstat(full)
            except FileNotFoundError:
                if not make:
                    raise
                found = sftpfiles.made(sftp, full)
            sftpfiles.folder(found, full)
        return full

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Errors of the server and of the way to it in words; what is absent stays absent."""
        try:
            yield
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise InfrastructureError(
                f"{self.url}/{path}: the server does not permit this",
                hint="is it yours to read and write there?",
            ) from error
        except (paramiko.SSHException, paramiko.SFTPError, OSError, EOFError) as error:
            raise InfrastructureError(
                f"{self.url}/{path}: {error or type(error).__name__}",
                hint="is the connection good, and is there room? call this again, and it goes on",
            ) from error


class _Session:
    """One connection."""

    def __init__(self, server: ssh.Server) -> None:
        self._stack = ExitStack()
        self.rooted = False
        try:
            self.sftp = ssh.connect(server, self._stack)
        except BaseException:
            self._stack.close()
            raise

    def alive(self) -> bool:
        """Whether the connection stands, as far as we know."""
        channel = self.sftp.get_channel()
        return not channel.closed and bool(channel.get_transport().is_active())

    def close(self) -> None:
        """Close it; a broken one is closed already."""
        with suppress(paramiko.SSHException, OSError, EOFError):
            self._stack.close()


def _nobody(_bytes: int) -> None:
    """Tell nobody how many bytes were moved."""
