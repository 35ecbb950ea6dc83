# SPDX-License-Identifier: GPL-2.0-or-later
"""What all downloads share: https only, this machine's own servers apart, and no login in a URL."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from builder.errors import UsageError

# Seconds for the connection, and for each piece of an answer.
TIMEOUTS = (10, 30)

# What went wrong, by what requests raises; the first that fits.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.SSLError, "cannot be reached by TLS"),
    (requests.exceptions.Timeout, "does not answer in time"),
    (requests.exceptions.ChunkedEncodingError, "breaks off in the middle"),
    (requests.exceptions.ConnectionError, "cannot be reached"),
    (requests.exceptions.InvalidSchema, "redirects to an address without https"),
    (requests.exceptions.TooManyRedirects, "redirects without end"),
    (Exception, "gives no proper answer"),
)


def check(url: str, hint: str) -> None:
    """Raise UsageError unless it is an https URL without a password; loopback may be http.

    `hint` is what to do about another URL.
    """
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname or "", parts.username is not None
    except ValueError:
        raise UsageError(f"{url} is no URL", hint=hint) from None
    if secret:
        # Without the URL, which goes into logs.
        raise UsageError(
            f"the URL of {host} has a login in it", hint="put it into ~/.netrc, and out of the URL"
        )
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host))):
        raise UsageError(f"{url} is no https URL", hint=hint)


def session(url: str) -> requests.Session:
    """A session that goes, and is redirected, to https only, or to this one loopback server."""
    made = requests.Session()
    del made.adapters["http://"]
    parts = urlsplit(url)
    if parts.scheme == "http":
        made.mount(f"http://{parts.netloc}/", HTTPAdapter())
        # No proxy reaches this machine's own addresses.
        made.trust_env = False
    return made


def reason(error: Exception) -> str:
    """What went wrong, as the end of a sentence that begins with the URL."""
    words = next(words for kind, words in REASONS if isinstance(error, kind))
    return ": ".join(filter(None, (words, _detail(error))))


def _detail(error: BaseException) -> str:
    """What the system says of it, where that tells whom to ask: the network, or who runs it."""
    if isinstance(error, requests.exceptions.Timeout):
        # It may have come up while another error was dealt with, which is none of its reasons.
        return ""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each.verify_message
        if isinstance(each, socket.gaierror):
            return "no host of that name is known"
        if isinstance(each, ConnectionRefusedError):
            return "it refuses connections"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was made from: requests and urllib3 wrap errors in many ways."""
    found, left = list[BaseException](), [error]
    while left:
        each = left.pop()
        if each in found:
            continue
        found.append(each)
        yield each
        inner = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        left += [one for one in inner if isinstance(one, BaseException)]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, so that nobody else can listen to what is sent."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
