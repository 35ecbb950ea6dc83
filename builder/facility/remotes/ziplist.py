# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in a zip archive on a web server: only the list at its end is downloaded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Final, cast

from builder.downloads.client import Client, public
from builder.downloads.pieces import Body, pieces
from builder.errors import InfrastructureError

# Bytes of the list; that of 100,000 files has about 10 million.
LARGEST: Final = 32 << 20


def files(client: Client, url: str, size: int) -> Mapping[str, int | None]:
    """The files of an archive of `size` bytes, by their paths, with their sizes in bytes.

    InfrastructureError for what is no archive, or where the server sends it only as a whole.
    """
    try:
        with zipfile.ZipFile(_Remote(client, url, size)) as archive:
            return {
                each.filename: each.file_size for each in archive.infolist() if not each.is_dir()
            }
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InfrastructureError(
            f"{public(url)} is no zip archive", hint="call it again later, or look at it"
        ) from error
    except OSError as error:
        raise InfrastructureError(
            f"{public(url)} breaks off in the middle", hint="call it again later"
        ) from error


class _Remote(io.RawIOBase):
    """A file on a server, read in parts."""

    def __init__(self, client: Client, url: str, size: int) -> None:
        super().__init__()
        self._client, self._url, self._size, self._at = client, url, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go somewhere else; as with a file, ValueError in front of its beginning."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if begin + offset < 0:
            raise OSError("in front of the beginning")
        self._at = begin + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or all that are left."""
        end = self._size if size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        if end - self._at > LARGEST:
            raise zipfile.BadZipFile
        asked = {"Range": f"bytes={self._at}-{end - 1}"}
        with self._client.get(self._url, asked, (HTTPStatus.PARTIAL_CONTENT,)) as answer:
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise InfrastructureError(
                    f"{public(self._url)} is not sent in parts, so its list cannot be read",
                    hint="name a list of digests with checksums:; it also tells the files",
                )
            body, host = cast(IO[bytes], Body(answer)), public(self._url)
            content = b"".join(pieces(body, end - self._at, "a part", host))
        self._at += len(content)
        return content
