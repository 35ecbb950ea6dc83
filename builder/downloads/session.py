# SPDX-License-Identifier: GPL-2.0-or-later
"""The sessions of requests that ask other people's servers: where they go, and how patiently."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util.retry import Retry

from builder import web
from builder.downloads import local

log = logging.getLogger(__name__)
# It logs whole URLs, and after a redirect those hold a signature that lets anybody in.
logging.getLogger("urllib3").setLevel(logging.ERROR)

TRIES: Final = 4
# Seconds: the longest pause that a server may ask for before we give up.
PATIENCE: Final = 60
# What may pass by itself.
PASSING: Final = (429, 500, 502, 503, 504)
# GitHub says 403 where others say 429.
WAITING: Final = frozenset({403, 413, 429, 503})
# What carries a secret; requests itself takes only the first one off.
SECRET: Final = ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Deploy-Token", "Cookie")

# The headers that log in; asked when they are needed.
Login = Callable[[], Mapping[str, str]]


def session(base: str, login: Login | None) -> requests.Session:
    """A session for the server of `base`: https only, but for this machine and its own files."""
    made = _Session()
    made.adapters.clear()
    if local.is_local(base):
        made.mount(f"{local.SCHEME}://", local.Local())
        made.trust_env = False
        return made
    made.mount("https://", HTTPAdapter(max_retries=_patience()))
    if urlsplit(base).scheme == "http":
        made.mount("http://", _Loopback(max_retries=_patience()))
        # No proxy reaches this machine's own addresses.
        made.trust_env = False
    if login is not None:
        made.auth = _Auth(base, login)
    return made


def origin(url: str) -> tuple[str, str, int | None]:
    """The server of a URL: its scheme, host and port; ValueError for what is no URL."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


class _Session(requests.Session):
    """Takes all that is secret off a request that is redirected to another server."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer redirects to; nothing else of such an answer is read.

        requests would read all that comes with it, however much that is.
        """
        target = super().get_redirect_target(resp)
        if target is not None:
            resp.close()
        return target

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        before, now = response.request.url or "", prepared_request.url or ""
        if origin(before) != origin(now):
            for name in SECRET:
                prepared_request.headers.pop(name, None)


@dataclass(frozen=True)
class _Auth(AuthBase):
    """Logs in at one server; with it, requests does not look into ~/.netrc."""

    base: str
    login: Login

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if origin(request.url or "") == origin(self.base):
            request.headers.update(self.login())
        return request


class _Loopback(HTTPAdapter):
    """http, for servers of this machine."""

    def send(
        self, request: requests.PreparedRequest, *words: Any, **more: Any
    ) -> requests.Response:
        if not web.is_loopback(urlsplit(request.url or "").hostname or ""):
            raise requests.exceptions.InvalidSchema
        return super().send(request, *words, **more)


class _Patience(Retry):
    """Waits as long as a server asks, unless that is longer than a caller has patience."""

    RETRY_AFTER_STATUS_CODES = WAITING

    def parse_retry_after(self, retry_after: str) -> float:
        """Seconds; none for what cannot be read."""
        try:
            return float(super().parse_retry_after(retry_after))
        except (urllib3.exceptions.HTTPError, ValueError, OverflowError):
            return 0.0

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Retry:
        if response is not None:
            wait = self.get_retry_after(response) or 0
            if wait > PATIENCE:
                raise MaxRetryError(_pool, url or "", ResponseError())
        made = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            log.debug("the server answers %s; asked again", response.status)
            # urllib3 would read all of it, however much that is.
            response.close()
        return made


def _patience() -> _Patience:
    return _Patience(
        total=TRIES,
        status_forcelist=PASSING,
        allowed_methods=("GET", "HEAD"),
        backoff_factor=0.5,
        raise_on_status=False,
    )
