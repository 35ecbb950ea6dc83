# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking web servers of others: politely, with patience, and with a login for one server only.

https only, also where a server redirects to; servers of this machine may do without. A client whose
base is `file://` reads files of this machine, and no other one does. A login is sent to the server
that it is for, and to no other that a redirect leads to. It is in no error and no log, nor are
queries of URLs, which may hold a signature.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3

from builder import __version__, web
from builder.downloads.session import WAITING, Login, origin, session
from builder.errors import InfrastructureError

# Servers refuse clients without a name, and ask those with one to change their ways.
AGENT: Final = f"fai-forge/{__version__}"
# "identity": a packed answer has another size, its offsets are others, and it may unfold for ever.
PLAIN: Final = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
ABSENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# What a request raises: a redirect to an address that is none is a ValueError of many kinds.
FAILURES: Final = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)
# How GitHub and GitLab say how many requests are left, and when there are more (in epoch seconds).
LIMITS: Final = (
    ("X-RateLimit-Remaining", "X-RateLimit-Reset"),
    ("RateLimit-Remaining", "RateLimit-Reset"),
)


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
        return origin(url) == origin(other)
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
    def _session(self) -> requests.Session:
        return session(self.base, self.login)

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


def _asked_to_wait(answer: requests.Response) -> str:
    """For how long, or until when, a server wants no more requests; empty if it says nothing."""
    if answer.status_code not in WAITING:
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
