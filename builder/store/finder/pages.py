# SPDX-License-Identifier: GPL-2.0-or-later
"""The finder's pages as files of the store: the same input gives the same bytes.

Only the first page depends on the time, by days. A series' page depends on that series alone, so
that publishing one build changes one page and the first.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import jinja2

from builder import templates
from builder.store.finder import wording
from builder.store.finder.facts import StoreFacts
from builder.store.finder.links import link
from builder.store.finder.model import PAGE, UP, series_page
from builder.store.finder.overview import overview
from builder.store.index import SeriesEntry, StoreIndex

HERE = Path(__file__).parent
STYLE = "finder.css"
SCRIPT = "finder.js"


def pages(index: StoreIndex, facts: StoreFacts, now: datetime) -> Iterator[tuple[str, bytes]]:
    """All files of the finder as path in the store and content, each made when it is asked for.

    What the pages use comes before them. `now` is only looked at for ages. Raises UsageError for a
    name that must not be linked.
    """
    yield from assets()
    for entry in index.series:
        yield f"{entry.name}/{PAGE}", render_series(entry, facts)
    yield PAGE, render_index(index, facts, now)


def assets() -> Iterator[tuple[str, bytes]]:
    """The files that all pages use."""
    for name in (STYLE, SCRIPT):
        yield name, (HERE / name).read_bytes()


def render_index(index: StoreIndex, facts: StoreFacts, now: datetime) -> bytes:
    """The first page."""
    return _render("index.html.j2", "", facts, page=overview(index, facts, now))


def render_series(entry: SeriesEntry, facts: StoreFacts) -> bytes:
    """The page of one series."""
    return _render("series.html.j2", UP, facts, page=series_page(entry, facts))


def _render(template: str, up: str, facts: StoreFacts, page: object) -> bytes:
    text = (
        _environment()
        .get_template(template)
        .render(
            page=page,
            site=facts.title,
            home=link(PAGE, up),
            style=_versioned(STYLE, up),
            script=_versioned(SCRIPT, up),
        )
    )
    return text.encode("utf-8")


@functools.cache
def look() -> str:
    """The digest of all that decides how pages look."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*.*")):
        if path.suffix != ".pyc":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _versioned(name: str, up: str) -> str:
    """The link of an asset: a browser must not pair a new page with an old copy of it."""
    return f"{link(name, up)}?{_digest(name)}"


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256((HERE / name).read_bytes()).hexdigest()[:12]


@functools.cache
def _environment() -> jinja2.Environment:
    # It escapes: names come from an index that others may have written.
    environment = templates.markup(HERE / "templates")
    environment.filters |= {
        "size": wording.size,
        "day": wording.day,
        "age": wording.age,
        "count": wording.count,
    }
    return environment
