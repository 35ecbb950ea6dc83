# SPDX-License-Identifier: GPL-2.0-or-later
"""What the remotes on web servers need of a site: a client with its token, keyrings, a cache."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from builder import names, paths, web
from builder.downloads.client import Client
from builder.downloads.documents import Documents
from builder.errors import ForgeError, UsageError
from builder.facility import secret
from builder.facility.kinds import Checksums, Product, Token
from builder.facility.site import Site
from builder.imports import vouching
from builder.imports.bringing import Description
from builder.imports.offers import Offer
from builder.imports.vouching import Voucher
from builder.store.keys import Keyring, read_keyring

log = logging.getLogger(__name__)
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


def described(image: Product) -> Description:
    """What the configuration says of an image."""
    return Description(image.title or "", image.default_user)


def voucher(
    entry: Checksums, keys: Keyring | None, read: vouching.Reads, where: str
) -> Voucher | None:
    """The list of digests that a remote's configuration names; see `vouching.vouch`."""
    return vouching.vouch(entry.checksums or "", entry.signature or "", keys, read, where)


def each(remote: str, images: Sequence[P], offers: Callable[[P], Iterable[Offer]]) -> list[Offer]:
    """What images offer, by series and serial, where each of them is looked at by itself.

    What is wrong with one is told in the log; it is raised where nothing else could be offered.
    """
    found: dict[tuple[str, str], Offer] = {}
    wrong: list[tuple[P, ForgeError]] = []
    for image in images:
        try:
            made = list(offers(image))
        except ForgeError as error:
            wrong.append((image, error))
        else:
            for offer in made:
                found.setdefault((offer.name, offer.serial), offer)
    if wrong and not found:
        raise wrong[0][1]
    for image, reason in wrong:
        log.warning("%s: %s is left out: %s", remote, image.name, reason.message)
    return sorted(found.values(), key=lambda each: (each.name, names.serial_key(each.serial)))


def chosen(images: Sequence[P], name: str | None) -> tuple[P, ...]:
    """The entries that are asked for: those of one name, or all."""
    return tuple(each for each in images if name in (None, each.name))
