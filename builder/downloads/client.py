# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking web servers of others: politely, with patience, and with a login for one server only.

https only, also where a server redirects to; servers of this machine may do without. A client whose
base is `file://` reads files of this machine, and no other one does. A login is sent to the server
that it is for, and to no other that a redirect leads to. It is in no error and no log, nor are
queries of URLs, which may hold a signature.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util.retry import Retry

from builder import __version__, web
from builder.downloads import local
from builder.errors import InfrastructureError

log = logging.getLogger(__name__)
# It logs whole URLs, and after a redirect those hold a signature that lets anybody in.
logging.getLogger("urllib3").setLevel(logging.ERROR)

# Servers refuse clients without a name, and ask those with one to change their ways.
AGENT: Final = f"fai-forge/{__version__}"
# "identity": a packed answer has another size, its offsets are others, and it may unfold for ever.
PLAIN: Final = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
TRIES: Final = 4
# Seconds: the longest pause that a server may ask for before we give up.
PATIENCE: Final = 60
# What may pass by itself.
PASSING: Final = (429, 500, 502, 503, 504)
ABSENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# What a request raises: a redirect to an address that is none is a ValueError of many kinds.
FAILURES: Final = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)
# What carries a secret; requests itself takes only the first one off.
SECRET: Final = ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Deploy-Token", "Cookie")
# How GitHub and GitLab say how many requests are left, and when there are more (in epoch seconds).
LIMITS: Final = (
    ("X-RateLimit-Remaining", "X-RateLimit-Reset"),
    ("RateLimit-Remaining", "RateLimit-Reset"),
)

# The headers that log in; asked when they are needed.
Login = Callable[[], Mapping[str, str]]


class Absent(InfrastructureError):
    """There is nothing at a URL, as its server says."""


def public(url: str) -> str:
    """A URL without what may be secret: no login, no query. It is shown, so it has no controls."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}"
    # A server may have written it for the terminal that shows it.
    return "".join(each if each.isprintable() else "?" for each in shown)


def is_at(url: str, other: str) -> bool:
    """Whether a URL is at the server of another one; not for what is no URL."""
    try:
        return _origin(url) == _origin(other)
    except ValueError:
        return False


@dataclass(frozen=True)
class Client:
    """Asks the server of `base`, and those that it refers to; `login` is for that server only."""

    base: str
    login: Login | None = None

    @contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        also: tuple[int, ...] = (),
        *,
        method: str = "GET",
    ) -> Iterator[requests.Response]:
        """The answer to a request, its body not read yet; the status is 200, or one of `also`.

        `method` is GET or HEAD. Absent where there is nothing, InfrastructureError for what else is
        no good answer.
        """
        with self._asked(method, url, headers or {}, also) as answer:
            yield answer

    @contextmanager
    def post(
        self, url: str, form: Mapping[str, str], also: tuple[int, ...] = ()
    ) -> Iterator[requests.Response]:
        """The answer to a form, as with `get`; no redirect takes what is in it to anybody else."""
        with self._asked("POST", url, {}, also, form) as answer:
            yield answer

    @contextmanager
    def _asked(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        also: tuple[int, ...],
        form: Mapping[str, str] | None = None,
    ) -> Iterator[requests.Response]:
        try:
            asked = self._session.request(
                method,
                url,
                allow_redirects=form is None,
                data=form,
                headers={**PLAIN, **headers},
                stream=True,
                timeout=web.TIMEOUTS,
            )
        except FAILURES as error:
            raise InfrastructureError(
                f"{public(url)} {web.reason(error)}", hint="call it again later"
            ) from error
        with asked as answer:
            if answer.status_code not in (HTTPStatus.OK, *also):
                raise self._refused(url, answer)
            yield answer

    @cached_property
    def _session(self) -> _Session:
        made = _Session()
        made.adapters.clear()
        if local.is_local(self.base):
            made.mount(f"{local.SCHEME}://", local.Local())
            made.trust_env = False
            return made
        made.mount("https://", HTTPAdapter(max_retries=_patience()))
        if urlsplit(self.base).scheme == "http":
            made.mount("http://", _Loopback(max_retries=_patience()))
            # No proxy reaches this machine's own addresses.
            made.trust_env = False
        if self.login is not None:
            made.auth = _Auth(self.base, self.login)
        return made

    def _refused(self, url: str, answer: requests.Response) -> InfrastructureError:
        """What a status that is no success means."""
        status, where = answer.status_code, public(url)
        wait = _asked_to_wait(answer)
        if wait:
            return InfrastructureError(
                f"{where} has had too many requests of us ({status}), and asks to wait {wait}",
                hint="call it again then"
                + ("" if self.login else "; with a token, servers allow more"),
            )
        if status == HTTPStatus.UNAUTHORIZED:
            return InfrastructureError(
                f"{where} does not accept the token (401): it has expired, or was revoked"
                if self.login
                else f"{where} wants a login (401)",
                hint="make a new token, and put it where the configuration says"
                if self.login
                else "give it a token in the configuration",
            )
        if status == HTTPStatus.FORBIDDEN:
            return InfrastructureError(
                f"{where} is forbidden (403)",
                hint="the token lacks the right to read it" if self.login else "give it a token",
            )
        if status in ABSENT:
            return Absent(
                f"{where} is not there ({status})",
                hint="is the address right? Servers also say so of what a login may not see"
                + ("" if self.login else ", or that needs one"),
            )
        return InfrastructureError(
            f"{where} answers {status} {_phrase(status)}".rstrip(), hint="call it again later"
        )


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
        if _origin(before) != _origin(now):
            for name in SECRET:
                prepared_request.headers.pop(name, None)


@dataclass(frozen=True)
class _Auth(AuthBase):
    """Logs in at one server; with it, requests does not look into ~/.netrc."""

    base: str
    login: Login

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if _origin(request.url or "") == _origin(self.base):
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

    # GitHub says 403 where others say 429.
    RETRY_AFTER_STATUS_CODES = frozenset({403, 413, 429, 503})

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


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _asked_to_wait(answer: requests.Response) -> str:
    """For how long, or until when, a server wants no more requests; empty if it says nothing."""
    if answer.status_code not in _Patience.RETRY_AFTER_STATUS_CODES:
        return ""
    after = answer.headers.get("Retry-After", "")
    if after.isascii() and after.isdecimal():
        return f"{after[:9]} s"
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return f"until {parsedate_to_datetime(after).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    for left, reset in LIMITS:
        until = answer.headers.get(reset, "")
        known = until.isascii() and until.isdecimal() and len(until) < 12
        if answer.headers.get(left) == "0" and known and int(until) >= time.time() - 1:
            return f"until {datetime.fromtimestamp(int(until), UTC):%Y-%m-%d %H:%M} UTC"
    return "for a while" if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else ""


def _phrase(status: int) -> str:
    """What a status means; not in the server's own words, which go to a terminal."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
