# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of this machine by file: URLs, answered as a web server would."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from requests.adapters import BaseAdapter
from urllib3.response import HTTPResponse

from builder.errors import UsageError

SCHEME: Final = "file"


class Local(BaseAdapter):
    """Answers with a file: whole, with its size and the time when it changed.

    UsageError for one that cannot be read.
    """

    def send(
        self, request: requests.PreparedRequest, *_words: Any, **_more: Any
    ) -> requests.Response:
        """The answer; its body is open."""
        path = path_of(request.url or "")
        try:
            file = path.open("rb")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}", hint="is the path right, and yours?"
            ) from error
        told = path.stat()
        made = requests.Response()
        made.status_code, made.url, made.request = HTTPStatus.OK, request.url or "", request
        made.headers["Content-Length"] = str(told.st_size)
        made.headers["Last-Modified"] = formatdate(told.st_mtime, usegmt=True)
        made.raw = HTTPResponse(body=file, preload_content=False)
        return made

    def close(self) -> None:
        """Nothing stays open."""


def is_local(url: str) -> bool:
    """Whether a URL names a file of this machine."""
    # Not urlsplit(), which is an error of its own for what is no URL at all.
    return url[: len(SCHEME) + 1].lower() == f"{SCHEME}:"


def path_of(url: str) -> Path:
    """The file that such a URL names."""
    return Path(url2pathname(urlsplit(url).path))
