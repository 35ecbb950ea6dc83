# SPDX-License-Identifier: GPL-2.0-or-later
"""A storage pool of libvirt: what goes into volumes and comes out of them, and who uses them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from builder.errors import InfrastructureError, UsageError
from builder.facility.targets.poolusers import Users, users
from builder.store.place import OnBytes

# Pools whose volumes are files, so that a qcow2 is one there as well.
FILES: Final = ("dir", "fs", "netfs")
PIECE: Final = 1 << 20
ZEROS: Final = bytes(PIECE)
VOLUME: Final = """\
<volume>
  <name>{name}</name>
  <capacity unit="bytes">{size}</capacity>
  <allocation unit="bytes">0</allocation>
  <target><format type="raw"/></target>
</volume>
"""


@functools.cache
def _libvirt() -> Any:
    try:
        # Late: only who has such a target needs it.
        import libvirt
    except ImportError as error:
        raise InfrastructureError(
            "Python's libvirt module is not there", hint="apt-get install python3-libvirt"
        ) from error
    # Errors are raised, and need not be on stderr as well.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt


@contextmanager
def told(what: str, hint: str = "is libvirt at work, and has the pool room?") -> Iterator[None]:
    """libvirt's errors in words."""
    try:
        yield
    except _libvirt().libvirtError as error:
        raise InfrastructureError(f"{what}: {error}", hint=hint) from error


class Pool:
    """An active pool over an open connection."""

    def __init__(self, uri: str, connection: Any, pool: Any) -> None:
        self.uri = uri
        self._connection = connection
        self._pool = pool
        self.name: str = pool.name()
        self.type = str(_parsed(pool.XMLDesc(0)).get("type"))

    @property
    def where(self) -> str:
        """What a person calls it."""
        return f"the pool {self.name} of {self.uri}"

    @property
    def available(self) -> int:
        """The room that is left, in bytes."""
        return int(self._pool.info()[3])

    def refresh(self) -> None:
        """Let libvirt see what is there."""
        with told(self.where):
            self._pool.refresh(0)

    def names(self) -> tuple[str, ...]:
        """All volumes."""
        with told(self.where):
            return tuple(sorted(self._pool.listVolumes()))

    def path(self, name: str) -> str | None:
        """Where a volume is; None where there is none."""
        volume = self._find(name)
        return None if volume is None else self._real(volume.path())

    def size(self, name: str) -> int:
        """How many bytes the file of a volume has; 0 if it is not there."""
        volume = self._find(name)
        if volume is None:
            return 0
        found = _parsed(volume.XMLDesc(0)).findtext("physical")
        return int(found or 0)

    def disk(self, name: str) -> tuple[str, int]:
        """What libvirt takes a volume for: its format, and the disk's size in bytes."""
        with told(self.where):
            found = _parsed(self._find(name).XMLDesc(0))
            kind = found.find("target/format")
            size = int(found.findtext("capacity") or 0)
            return ("raw" if kind is None else str(kind.get("type"))), size

    def create(self, name: str, size: int) -> None:
        """Make an empty volume; libvirt finds out its format from what comes into it."""
        with told(f"{name} cannot be made in {self.where}"):
            self._pool.createXML(VOLUME.format(name=escape(name), size=size), 0)

    def remove(self, name: str) -> None:
        """Remove a volume; no error if it is not there."""
        with told(f"{name} cannot be removed from {self.where}"):
            if (volume := self._find(name)) is not None:
                volume.delete(0)

    def upload(self, name: str, path: Path, on_bytes: OnBytes) -> None:
        """Fill a volume with a file; its holes are not sent."""
        libvirt = _libvirt()

        def read(_stream: Any, count: int, file: int) -> bytes:
            found = os.read(file, count)
            on_bytes(len(found))
            return found

        def skip(_stream: Any, count: int, file: int) -> int:
            on_bytes(count)
            return os.lseek(file, count, os.SEEK_CUR)

        with (
            told(f"{name} cannot be uploaded to {self.where}", "call this again"),
            _opened(path) as file,
            self._stream() as stream,
        ):
            flags = libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM
            self._find(name).upload(stream, 0, path.stat().st_size, flags)
            stream.sparseSendAll(read, _section, skip, file)
            stream.finish()

    def digest(self, name: str, on_bytes: OnBytes) -> str:
        """The sha256 of all that a volume holds, read back."""
        libvirt = _libvirt()
        digest = hashlib.sha256()

        def data(_stream: Any, content: bytes, _opaque: object) -> int:
            digest.update(content)
            on_bytes(len(content))
            return len(content)

        def hole(_stream: Any, count: int, _opaque: object) -> int:
            for start in range(0, count, PIECE):
                digest.update(ZEROS[: count - start])
            on_bytes(count)
            return 0

        with (
            told(f"{name} cannot be read back from {self.where}", "call this again"),
            self._stream() as stream,
        ):
            flags = libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM
            self._find(name).download(stream, 0, 0, flags)
            stream.sparseRecvAll(data, hole, None)
            stream.finish()
        return digest.hexdigest()

    def read(self, name: str, largest: int) -> bytes:
        """The first bytes of a small volume."""
        found = bytearray()
        with told(f"{name} cannot be read in {self.where}"), self._stream() as stream:
            self._find(name).download(stream, 0, largest, 0)
            stream.recvAll(lambda _stream, content, _opaque: found.extend(content), None)
            stream.finish()
        return bytes(found)

    def write(self, name: str, content: bytes) -> None:
        """Fill a small volume, which is made where it is not there, at once."""
        if self._find(name) is None:
            self.create(name, len(content))
        left = [content]
        with told(f"{name} cannot be written in {self.where}"), self._stream() as stream:
            self._find(name).upload(stream, 0, len(content), 0)
            stream.sendAll(lambda *_: left.pop() if left else b"", None)
            stream.finish()

    def users(self) -> Users:
        """What is made from other volumes, by the pools that are active, and by all domains."""
        with told("libvirt does not say what its domains use"):
            return users(self._connection, self._real)

    def _find(self, name: str) -> Any:
        libvirt = _libvirt()
        try:
            return self._pool.storageVolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                return None
            raise

    def _real(self, path: str) -> str:
        """A path without links, where it is one of this machine."""
        return path if urlsplit(self.uri).netloc else os.path.realpath(path)

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        stream = self._connection.newStream(0)
        try:
            yield stream
        except BaseException:
            with contextlib.suppress(_libvirt().libvirtError):
                stream.abort()
            raise


@contextmanager
def connected(uri: str, name: str) -> Iterator[Pool]:
    """A pool over a connection that is closed at the end.

    InfrastructureError where libvirt does not answer, UsageError where there is no such pool, or
    one that holds no files.
    """
    libvirt = _libvirt()
    with told(f"libvirt does not answer at {uri}", "is it installed, and may you use it?"):
        connection = libvirt.open(uri)
    try:
        yield _opened_pool(uri, connection, name)
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.close()


def _opened_pool(uri: str, connection: Any, name: str) -> Pool:
    with told(f"{uri} does not tell its pools"):
        pools = {each.name(): each for each in connection.listAllStoragePools(0)}
        if name not in pools:
            raise UsageError(
                f"{uri} has no storage pool {name}",
                hint=f"it has: {', '.join(sorted(pools)) or 'none'}; virsh pool-define-as makes it",
            )
        if not pools[name].isActive():
            raise InfrastructureError(
                f"the storage pool {name} of {uri} is not active",
                hint=f"virsh -c {uri} pool-start {name}; pool-autostart does it at each start",
            )
        pool = Pool(uri, connection, pools[name])
    if pool.type not in FILES:
        raise UsageError(
            f"{pool.where} is of the type {pool.type}", hint=f"use one of: {', '.join(FILES)}"
        )
    return pool


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _section(_stream: Any, file: int) -> tuple[bool, int]:
    """Whether a file has data or a hole where it is read, and for how many bytes."""
    here, end = os.lseek(file, 0, os.SEEK_CUR), os.fstat(file).st_size
    try:
        data = os.lseek(file, here, os.SEEK_DATA)
    except OSError:
        # No data until the end.
        data = end
    length = os.lseek(file, here, os.SEEK_HOLE) - here if data == here < end else data - here
    os.lseek(file, here, os.SEEK_SET)
    return data == here < end, length
