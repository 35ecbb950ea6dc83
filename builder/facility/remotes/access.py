# SPDX-License-Identifier: GPL-2.0-or-later
"""What the remotes on web servers need of a site: a client with its token, keyrings, a cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter, ValidationError

from builder import paths, web
from builder.downloads.client import Client, public
from builder.downloads.documents import Document, Documents
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility import secret
from builder.facility.kinds import Product, Token
from builder.facility.offers import Offer
from builder.facility.site import Site
from builder.store.keys import Keyring, read_keyring

M = TypeVar("M", bound=BaseModel)
P = TypeVar("P", bound=Product)

# The headers that a token makes.
Headers = Callable[[str], Mapping[str, str]]


def bearer(token: str) -> Mapping[str, str]:
    """A token as most servers want it."""
    return {"Authorization": f"Bearer {token}"}


def client(url: str, token: Token | None, site: Site, headers: Headers = bearer) -> Client:
    """A client for one server; its token is read when it is needed."""
    web.check(url, "remotes on web servers are read by https")
    if token is None:
        return Client(url)
    return Client(url, lambda: headers(secret.read(token, site.folder)))


def documents(asking: Client) -> Documents:
    """The documents of a client, kept in this machine's cache."""
    return Documents(asking, paths.cache().web)


def keyring(path: str | None, site: Site) -> Keyring | None:
    """The keys that a remote's configuration names; None where it names none."""
    return read_keyring(site.path(path)) if path else None


def pattern(text: str, remote: str) -> re.Pattern[str]:
    """A regular expression of the configuration; UsageError for what is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(
            f"the remote {remote}: {text} is no regular expression: {error}",
            hint="it stands for the whole name; a dot is written as \\.",
        ) from error


def product(images: Sequence[P], offer: Offer) -> P:
    """The entry of the configuration that an offer came of; UsageError where there is none."""
    found = next((each for each in images if each.name == offer.name), None)
    if found is None:
        raise UsageError(
            f"the remote {offer.remote} has no image {offer.name}",
            hint=f"it has: {', '.join(each.name for each in images)}",
        )
    return found


def chosen(images: Sequence[P], name: str | None) -> tuple[P, ...]:
    """The entries that are asked for: those of one name, or all."""
    return tuple(each for each in images if name in (None, each.name))


def model(kind: type[M], content: Any, url: str) -> M:
    """A record of a document; InfrastructureError where that says nonsense."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise nonsense(url, error) from error


def records(kind: type[M], document: Document) -> list[M]:
    """The list of records that a document is."""
    try:
        return TypeAdapter(list[kind]).validate_python(document.json())  # type: ignore[valid-type]
    except ValidationError as error:
        raise nonsense(document.url, error) from error


def nonsense(url: str, error: ValidationError) -> InfrastructureError:
    """A document that is not what its server's documentation says."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    return InfrastructureError(
        f"{public(url)}: {field}: {first['msg']}", hint="is it the right address?"
    )


def part(text: str) -> str:
    """A text as one part of a URL's path: all else but letters, digits and _.~- is quoted."""
    return quote(text, safe="")


def path(text: str, error: type[ForgeError] = UsageError) -> str:
    """A relative path as a URL has it; `error` for one that leads out of its folder."""
    parts = text.split("/")
    if not all(parts) or ".." in parts or "." in parts or "\\" in text or not text.isprintable():
        raise error(f"{text[:100]!r} is no path below a URL", hint="write it without .. and //")
    return quote(text, safe="/~+:@,=")
