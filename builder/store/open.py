# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a person calls a store to its place: a folder, or a server, by the URL's scheme."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from builder.errors import UsageError
from builder.store.folder import FolderPlace
from builder.store.https import HttpsPlace
from builder.store.place import Place, Readable

R = TypeVar("R", bound=Readable)


def _sftp(url: str) -> Place:
    # Here, since paramiko takes a while to load, and a folder does not need it.
    from builder.store.sftp import SftpPlace

    return SftpPlace.at(url)


def _s3(url: str) -> Place:
    from builder.store.s3 import S3Place

    return S3Place.at(url)


SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# What can be published to; "" is a plain path.
PLACES: Final[Mapping[str, Callable[[str], Place]]] = {
    "": FolderPlace.at,
    "file": FolderPlace.at,
    "s3": _s3,
    "sftp": _sftp,
}
# What can be read.
READABLES: Final[Mapping[str, Callable[[str], Readable]]] = {
    **PLACES,
    "https": HttpsPlace.at,
    # Of this machine only; others are refused there.
    "http": HttpsPlace.at,
}


def scheme(url: str) -> str:
    """The scheme of a URL in small letters; empty for a path."""
    found = SCHEME.match(url)
    return found[1].lower() if found else ""


def open_place(url: str) -> Place:
    """A place to publish to; UsageError for a URL that names none."""
    return _of(PLACES, url, "published to")


def open_readable(url: str) -> Readable:
    """A place to read from; UsageError for a URL that names none."""
    return _of(READABLES, url, "read")


def _of(table: Mapping[str, Callable[[str], R]], url: str, verb: str) -> R:
    factory = table.get(scheme(url))
    if factory is None:
        known = ", ".join(f"{name}://" for name in table if name)
        raise UsageError(
            # Without the rest of it, which may hold a password.
            f"a store cannot be {verb} by {scheme(url)}://",
            hint=f"stores are folders, and URLs with {known}",
        )
    return factory(url)
