# SPDX-License-Identifier: GPL-2.0-or-later
"""What all downloads share: https only, this machine's own servers apart, and no login in a URL."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from builder.errors import UsageError

# Seconds for the connection, and for each piece of an answer.
TIMEOUTS = (10, 30)

# What went wrong, by what requests raises; the first that fits.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (
        requests.exceptions.SSLError,
        "cannot be reached by TLS, or has no certificate that is trusted here",
    ),
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
    return next(words for kind, words in REASONS if isinstance(error, kind))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, so that nobody else can listen to what is sent."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
