# SPDX-License-Identifier: GPL-2.0-or-later
"""What servers of others say as records of ours, and parts of URLs that are made of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    FailFast,
    TypeAdapter,
    ValidationError,
)

from builder.downloads.client import public
from builder.downloads.documents import Document
from builder.errors import ForgeError, InfrastructureError, UsageError

YEAR_ONE: Final = 1970
M = TypeVar("M", bound=BaseModel)


def _day(moment: datetime) -> datetime:
    try:
        found = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years that can be told in UTC") from error
    # Serials have years of four digits.
    if found.year < YEAR_ONE:
        raise ValueError(f"before {YEAR_ONE}, so it is no time of a file")
    return found


T = TypeVar("T")
# What servers send may be long and wrong in each of its rows: the first one that is says enough,
# and the words for all of them would fill the memory.
Rows = Annotated[list[T], FailFast()]
# A time with its zone, in UTC.
Moment = Annotated[AwareDatetime, AfterValidator(_day)]


def model(kind: type[M], content: Any, url: str) -> M:
    """A record of a document; InfrastructureError where that says nonsense."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise nonsense(url, error) from error


def rows(kind: type[M], document: Document) -> list[M]:
    """The list of records that a document is."""
    try:
        rows: TypeAdapter[list[M]] = TypeAdapter(Rows[kind])  # type: ignore[valid-type]
        return rows.validate_python(document.json())
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
