# SPDX-License-Identifier: GPL-2.0-or-later
"""Red Hat's API, which lists images, and sends them, only to who has a subscription.

https://access.redhat.com/articles/3626371: an offline token, which its owner makes once, is
exchanged for an access token, which is good for some minutes. An offline token that is not used for
30 days is gone. Neither is in a log, an error, an argument or a URL.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError

from builder.checksums import Checksum
from builder.downloads import records
from builder.downloads.client import Client, is_at, public
from builder.downloads.documents import PAGES, content
from builder.downloads.records import Moment, Rows
from builder.downloads.session import Login
from builder.errors import InfrastructureError
from builder.facility import secret
from builder.facility.remotes.access import bearer
from builder.manifest.parts import Sha256
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate, told
from builder.upstream.kinds import RhelIndex
from builder.upstream.series import Series

CLIENT: Final = "rhsm-api"
# Entries of one page.
LIMIT: Final = 100
# Seconds: how long before its end a token is not used any more, and how long one is good of which
# nobody says it.
MARGIN, LASTS = 30.0, 300.0
# Bytes of an answer with a token.
LARGEST: Final = 1 << 16
MAKE: Final = (
    "make a new one at https://access.redhat.com/management/api, and put it where the YAML file"
    " says; one that is not used for 30 days is gone"
)


def _day(text: object) -> object:
    """A day without a time is its beginning."""
    return f"{text}T00:00:00Z" if isinstance(text, str) and len(text) == len("2026-11-22") else text


class _Image(BaseModel):
    filename: str
    checksum: Sha256
    download: Annotated[str, Field(alias="downloadHref")]
    published: Annotated[Moment | None, BeforeValidator(_day), Field(alias="datePublished")] = None


class _Page(BaseModel):
    body: Rows[_Image]


class _Answer(BaseModel):
    access_token: SecretStr
    expires_in: Annotated[float, Field(ge=0)] = LASTS


def candidates(index: RhelIndex, series: Series, asking: Asking) -> Iterator[Candidate]:
    """The images of a content set; none where the release is not published yet."""
    # Not read before it is needed; one login serves all that share the token.
    name = f"{index.login} {index.token.model_dump_json()} {series.path.parent}"
    login = asking.login(name, lambda: Exchanged(index, series, asking))
    for image in _images(index, series, asking, login):
        words = told(series, image.filename)
        if words is not None:
            yield Candidate(
                image.filename,
                _address(image, index),
                *words,
                modified=image.published,
                checksum=Checksum("sha256", image.checksum),
                vouched="Red Hat's API, by TLS and with our login; it is not signed",
                login=login,
            )


@dataclass
class Exchanged:
    """A login by an access token: asked for when it is needed, and again before it ends."""

    index: RhelIndex
    series: Series
    asking: Asking
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    # Several images come at once, and one token serves them all.
    _turn: AbstractContextManager[object] = field(default_factory=Lock, repr=False)

    def __call__(self) -> Mapping[str, str]:
        """The header for the API."""
        with self._turn:
            begun = time.monotonic()
            if begun >= self._until:
                answer = self._asked()
                self._token = answer.access_token.get_secret_value()
                self._until = begun + answer.expires_in - MARGIN
            return bearer(self._token)

    def _asked(self) -> _Answer:
        url = self.asking.addresses(self.index.login, self.series.upstream)[0]
        form = {
            "grant_type": "refresh_token",
            "client_id": CLIENT,
            "refresh_token": secret.read(self.index.token, self.series.path.parent),
        }
        client: Client = self.asking.client(url)
        refused = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
        with client.post(url, form, refused) as got:
            if got.status_code in refused:
                raise InfrastructureError(
                    f"{public(url)} does not accept the offline token ({got.status_code}): it has"
                    " expired, or was revoked",
                    hint=MAKE,
                )
            told = content(url, got, LARGEST)
        try:
            return _Answer.model_validate_json(told)
        except ValidationError:
            # Never what is there.
            raise InfrastructureError(
                f"{public(url)} sends no access token", hint="is it the right address?"
            ) from None


def _images(index: RhelIndex, series: Series, asking: Asking, login: Login) -> Iterator[_Image]:
    """The images of a content set, from all of its pages."""
    url = f"{index.url.rstrip('/')}/cset/{records.part(series.fill(index.content_set))}"
    address, documents = asking.api(url, series.upstream, login)
    for number in range(PAGES):
        page = documents.get(f"{address}?limit={LIMIT}&offset={number * LIMIT}")
        body = records.model(_Page, page.json(), page.url).body
        yield from body
        if len(body) < LIMIT:
            return
    raise InfrastructureError(
        f"{public(url)} has more than {PAGES} pages", hint="is it the right content set?"
    )


def _address(image: _Image, index: RhelIndex) -> str:
    """Where an image is: at the API, which knows the login, and nowhere else."""
    if not is_at(image.download, index.url):
        raise InfrastructureError(
            f"{public(index.url)} says that {image.filename} is at another server,"
            f" {public(image.download)}",
            hint="our login is for that API only; is there a proxy that changes answers?",
        )
    return image.download
