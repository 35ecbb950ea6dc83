# SPDX-License-Identifier: GPL-2.0-or-later
"""What web servers list of a folder: as a page (Apache, nginx, and their kin), or as a JSON table.

Only what is right below the folder counts: no link that leads up, elsewhere, or to another order of
the list. A page that does not look like a list is an error, since servers send pages in place of
what they do not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Annotated, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from pydantic import BaseModel, Field, NonNegativeInt

from builder.downloads import records
from builder.downloads.client import Absent, public
from builder.downloads.documents import Document
from builder.downloads.records import Rows
from builder.errors import InfrastructureError
from builder.upstream.asking import Asking
from builder.upstream.model import Upstream

# Bytes of a list; pages are read no longer than is worth it.
LARGEST: Final = 4 << 20
TABLE: Final = "?jsontable"
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK: Final = r"[ T](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
# When a file changed: Apache's, nginx', and nginx' with fancy lists. All of them say it in UTC.
TIMES: Final = (
    re.compile(rf"(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}}){_CLOCK}"),
    re.compile(rf"(?P<day>[0-9]{{2}})-(?P<month>[A-Za-z]{{3}})-(?P<year>[0-9]{{4}}){_CLOCK}"),
    re.compile(rf"(?P<year>[0-9]{{4}})-(?P<month>[A-Za-z]{{3}})-(?P<day>[0-9]{{2}}){_CLOCK}"),
)
# What the link to the folder above is called.
ABOVE: Final = ("..", "parent directory")
HEADING: Final = "index of"
# Epoch seconds: until the year 2100.
LATEST: Final = 4102444800


@dataclass(frozen=True)
class Child:
    """A file or a folder in a list; `modified` and `size` (bytes) are None where it is not told."""

    name: str
    folder: bool
    modified: datetime | None = None
    size: int | None = None


class _Row(BaseModel):
    name: str
    mtime: Annotated[float, Field(ge=0, le=LATEST)] | None = None
    size: NonNegativeInt | None = None


class _Table(BaseModel):
    data: Rows[_Row]


def listed(
    url: str, upstream: Upstream, asking: Asking, *, table: bool = False
) -> tuple[Child, ...]:
    """What is in a folder, each once and in the list's order; `url` has a slash at its end.

    With `table`, the server is asked for its JSON table. InfrastructureError for what is no list,
    Absent where the folder is not there any more.
    """
    try:
        document = asking.document(url + TABLE if table else url, upstream, largest=LARGEST)
    except Absent as error:
        raise Absent(
            f"the folder {public(url)} is not there: it has vanished, or moved",
            hint="look for it on its server, and correct the YAML file",
        ) from error
    return tuple(_once(of_table(document) if table else of_page(document)))


def of_page(document: Document) -> Iterator[Child]:
    """The children that a page links to; InfrastructureError unless it is a list of a folder."""
    page = _Page()
    try:
        # Without close(): that would search the rest of a cut page again and again.
        page.feed(document.content.decode("utf-8", "replace"))
    except (AssertionError, ValueError) as error:
        raise _no_list(document.url) from error
    base = urlsplit(document.url)
    links = [(link, parts) for link in page.links if (parts := _target(document.url, link.href))]
    if HEADING not in "".join(page.heading).lower() and not any(
        link.is_above and _is_above(parts, base) for link, parts in links
    ):
        raise _no_list(document.url)
    for link, parts in links:
        found = _child(parts, base)
        if found is not None:
            yield Child(*found, modified=_time("".join(link.behind)))


def of_table(document: Document) -> Iterator[Child]:
    """The children in a JSON table; folders have a slash at their end."""
    for row in records.model(_Table, document.json(), document.url).data:
        name = row.name.removesuffix("/")
        if _is_name(name):
            when = datetime.fromtimestamp(row.mtime, UTC) if row.mtime else None
            yield Child(name, name != row.name, when, row.size)


@dataclass
class _Link:
    href: str
    text: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    @property
    def is_above(self) -> bool:
        return "".join(self.text).strip().rstrip("/").lower() in ABOVE


class _Page(HTMLParser):
    """The links of a page, with the text in and behind each, and the page's headings."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[_Link] = []
        self.heading: list[str] = []
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(_Link(dict(attrs).get("href") or ""))
            self._into = self.links[-1].text
        elif tag in ("title", "h1"):
            self._into = self.heading

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self.links:
            self._into = self.links[-1].behind
        elif tag in ("title", "h1"):
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into.append(data)


def _target(url: str, href: str) -> SplitResult | None:
    """Where a link leads to on the same server, and without a query; None for all others."""
    try:
        parts, base = urlsplit(urljoin(url, href.strip())), urlsplit(url)
    except ValueError:
        return None
    is_same = (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
    return None if not is_same or parts.query or parts.fragment else parts


def _is_above(parts: SplitResult, base: SplitResult) -> bool:
    return parts.path != base.path and base.path.startswith(f"{parts.path.rstrip('/')}/")


def _child(parts: SplitResult, base: SplitResult) -> tuple[str, bool] | None:
    """The name of what is right below the folder, and whether it is a folder itself."""
    if not parts.path.startswith(base.path):
        return None
    quoted, slash, rest = parts.path[len(base.path) :].partition("/")
    name = unquote(quoted)
    return (name, bool(slash)) if not rest and _is_name(name) else None


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name


def _time(text: str) -> datetime | None:
    """The first time in what stands behind a name."""
    for form in TIMES:
        found = form.search(text)
        if found is None:
            continue
        month = found["month"].lower()
        if month not in MONTHS and not month.isdigit():
            continue
        number = int(month) if month.isdigit() else MONTHS.index(month) + 1
        clock = int(found["hour"]), int(found["minute"])
        try:
            return datetime(int(found["year"]), number, int(found["day"]), *clock, tzinfo=UTC)
        except ValueError:
            continue
    return None


def _once(children: Iterable[Child]) -> Iterator[Child]:
    """Each name once: tables link an icon and a name, and the time is behind the latter."""
    found: dict[str, Child] = {}
    for each in children:
        if each.name not in found or found[each.name].modified is None:
            found[each.name] = each
    yield from found.values()


def _no_list(url: str) -> InfrastructureError:
    return InfrastructureError(
        f"{public(url)} is no list of a folder",
        hint="look at it: a server may send a web page in its place",
    )
