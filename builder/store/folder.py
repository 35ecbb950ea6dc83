# SPDX-License-Identifier: GPL-2.0-or-later
"""A store in a folder of this machine, or of one that is mounted here.

A path is walked name by name, and no symbolic link below the store's own folder is followed: who
can write into the store must not reach what is outside of it through its publisher or its readers.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from builder.downloads.partial import name_of
from builder.errors import InfrastructureError, UsageError
from builder.store import paths
from builder.store.place import OnBytes

LOCK = ".lock"
PIECE = 1 << 20
# O_NONBLOCK: opening a pipe that somebody put there would wait for ever.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class FolderPlace:
    """A folder as a place of a store; it is made by the first publisher that locks it."""

    root: Path

    @classmethod
    def at(cls, url: str) -> FolderPlace:
        """The folder that a path, or a URL such as file:///srv/images, names."""
        if not url.startswith("file:"):
            return cls(Path(url).absolute())
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise UsageError(
                f"{url} names no folder of this machine", hint="write file:///FOLDER, or its path"
            )
        return cls(Path(unquote(parts.path)))

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.root)

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        *parents, name = paths.parts(paths.checked(path))
        with self._told(path), contextlib.suppress(FileNotFoundError):
            with self._folder(parents) as folder:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            return _regular(found, path).st_size
        return None

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        """The content of a file from an offset on; FileNotFoundError where there is none."""
        *parents, name = paths.parts(paths.checked(path))
        with self._told(path), self._folder(parents) as folder:
            descriptor = os.open(name, READ, dir_fd=folder)
            try:
                _regular(os.fstat(descriptor), path)
            except InfrastructureError:
                os.close(descriptor)
                raise
        with os.fdopen(descriptor, "rb") as file:
            file.seek(offset)
            yield file

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other publishers out; the lock ends with its process."""
        with self._told(""):
            try:
                self.root.mkdir(exist_ok=True)
            except FileNotFoundError as error:
                raise UsageError(
                    f"there is no folder {self.root.parent} to make a store in",
                    hint="make it, or mend the spelling",
                ) from error
            with self._folder(()) as folder:
                descriptor = os.open(LOCK, WRITE, 0o644, dir_fd=folder)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InfrastructureError(
                    f"another publisher is at work in {self.url}{_holder(descriptor)}",
                    hint="wait until it is done, and call this again",
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.uname().nodename}, process {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> tuple[str, ...]:
        """The files and folders in a folder, without hidden ones; none if it does not exist."""
        found: list[str] = []
        with (
            self._told(folder),
            contextlib.suppress(FileNotFoundError),
            self._folder(paths.parts(folder)) as descriptor,
            os.scandir(descriptor) as entries,
        ):
            found = sorted(entry.name for entry in entries)
        return tuple(name for name in found if not name.startswith("."))

    def upload(self, local: Path, path: str, on_bytes: OnBytes) -> None:
        """Copy a file to a path; what an upload that was broken off left is kept as far as equal.

        `on_bytes` is told of those bytes, too.
        """
        *parents, name = paths.parts(paths.checked(path))
        with local.open("rb") as source, self._told(path), self._folder(parents, make=True) as into:
            partial = name_of(name)
            with _file(partial, into) as file:
                _skip_equal(source, file, on_bytes)
                while piece := source.read(PIECE):
                    file.write(piece)
                    on_bytes(len(piece))
                _settle(file)
            _replace(partial, name, into)

    def write(self, path: str, content: bytes) -> None:
        """Put a small file at a path at once, in place of another one if there is one."""
        *parents, name = paths.parts(paths.checked(path))
        with self._told(path), self._folder(parents, make=True) as folder:
            partial = name_of(name)
            with _file(partial, folder) as file:
                file.truncate(0)
                file.write(content)
                _settle(file)
            _replace(partial, name, folder)

    def move(self, folder: str, to: str) -> None:
        """Rename a folder; InfrastructureError if there is something at `to`."""
        *old_parents, old = paths.parts(paths.checked(folder))
        *new_parents, new = paths.parts(paths.checked(to))
        with (
            self._told(to),
            self._folder(old_parents) as source,
            self._folder(new_parents, make=True) as target,
        ):
            # rename() would replace an empty folder.
            with contextlib.suppress(FileNotFoundError):
                os.stat(new, dir_fd=target, follow_symlinks=False)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)
            os.fsync(source)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; a symbolic link alone."""
        *parents, name = paths.parts(paths.checked(path))
        with (
            self._told(path),
            contextlib.suppress(FileNotFoundError),
            self._folder(parents) as folder,
        ):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    @contextmanager
    def _folder(self, names: tuple[str, ...] | list[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root, reached without following any link."""
        try:
            # The root itself may be a link: the person who named it chose it.
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise InfrastructureError(
                f"there is no folder {self.root}", hint="is it mounted, and spelled right?"
            ) from error
        try:
            for name in names:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=descriptor)
                        os.fsync(descriptor)
                inner = os.open(name, FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Errors of the system in words; a file that is not there stays what it is."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            # A symbolic link where a folder is wanted is ENOTDIR, where a file is wanted ELOOP.
            linked = error.errno in (errno.ELOOP, errno.ENOTDIR)
            raise InfrastructureError(
                f"{self.root / path}: {error.strerror}",
                hint="symbolic links in a store are not followed"
                if linked
                else "is there room, and is it yours to read and write?",
            ) from error


def _regular(found: os.stat_result, path: str) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        raise InfrastructureError(
            f"{path} is no regular file", hint="who put it there? nothing of ours makes such one"
        )
    return found


@contextmanager
def _file(name: str, folder: int) -> Iterator[IO[bytes]]:
    descriptor = os.open(name, WRITE, 0o644, dir_fd=folder)
    with os.fdopen(descriptor, "r+b") as file:
        _regular(os.fstat(descriptor), name)
        yield file


def _skip_equal(source: IO[bytes], file: IO[bytes], on_bytes: OnBytes) -> None:
    """Go past what both files begin with, and cut off the rest of `file`."""
    same = 0
    while (ours := source.read(PIECE)) and ours == file.read(len(ours)):
        same += len(ours)
        on_bytes(len(ours))
    source.seek(same)
    file.seek(same)
    file.truncate()


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _replace(partial: str, name: str, folder: int) -> None:
    os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _holder(descriptor: int) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if words := os.pread(descriptor, 200, 0).decode():
            return f" ({words})"
    return ""
