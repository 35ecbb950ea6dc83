# SPDX-License-Identifier: GPL-2.0-or-later
"""How a site stands: what it has of each series, what there is elsewhere, and how sync went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from builder import names, paths
from builder.errors import ForgeError
from builder.facility import asking, record, refs
from builder.facility.config import CUSTOM
from builder.facility.doors import DOORS, Doors
from builder.facility.kinds import StoreRemote
from builder.facility.site import Site
from builder.imports.offers import Offer
from builder.manifest.diff import SourceChange, compare, told
from builder.manifest.imported import Document, Imported
from builder.store import fetching, reading
from builder.store.index import Build, SeriesEntry, folder
from builder.store.open import open_readable
from builder.store.place import Readable

# Whether an advisory is fixed by a change of a release's package, by the release's codename.
Advised: TypeAlias = Callable[[SourceChange, str], bool]


@dataclass(frozen=True)
class Row:
    """One series of a site.

    `local` and `newest` are serials, empty where there is no build; `remote` has the newest, empty
    for what is only here. `age` is that of the local build. `security` counts the source packages
    that have a security update in the newest build and not in the local one; None where nobody
    knows. Of images that others built, those count that advisories tell of, and there may be more.
    """

    series: str
    local: str
    newest: str
    remote: str
    age: timedelta | None
    security: int | None
    custom: bool = False
    error: str = ""

    @property
    def behind(self) -> bool:
        """Whether there is a newer build elsewhere."""
        if not self.newest or not self.local:
            return bool(self.newest)
        return names.serial_key(self.newest) > names.serial_key(self.local)


@dataclass(frozen=True)
class Status:
    """All rows, the last sync (None if there was none), and what each silent remote said."""

    rows: tuple[Row, ...]
    last: record.SyncRecord | None
    unreachable: Mapping[str, str]


def status(
    site: Site,
    now: datetime,
    doors: Doors = DOORS,
    *,
    offline: bool = False,
    advised: Advised | None = None,
) -> Status:
    """The rows of all series that are here, or wanted, by name.

    What a remote has is asked of it, and where it gives no answer (or with `offline`) taken from
    what the last sync recorded. `advised` knows the advisories, where those are at hand.
    """
    index = site.store.index()
    entries = {entry.name: entry for entry in (index.series if index else ())}
    last = record.read(site)
    offers, silent = _offers(site, doors) if not offline else ({}, {})
    asked = {name for name in site.facility.remotes if name not in silent} if not offline else set()
    newest = _newest(site, offers)
    known = {} if last is None else _recorded(last, asked)
    series = sorted({*entries, *newest, *known})
    rows = [
        _row(
            site, name, entries.get(name), newest.get(name), known.get(name, ("", "")), now, advised
        )
        for name in series
    ]
    return Status(tuple(row for row in rows if row.local or row.newest), last, silent)


def _offers(site: Site, doors: Doors) -> tuple[dict[str, Sequence[Offer]], dict[str, str]]:
    answers = asking.everyone(site, doors)
    found: dict[str, Sequence[Offer]] = {
        each.name: each.offers for each in answers if not each.error
    }
    return found, {each.name: each.error for each in answers if each.error}


def _newest(site: Site, offers: Mapping[str, Iterable[Offer]]) -> dict[str, Offer]:
    """The newest offer of each series that the site wants; of equal ones, the first remote's."""
    found: dict[str, Offer] = {}
    for name, each in offers.items():
        for offer in each:
            row = site.facility.wanted(offer.name)
            if row is None or not refs.listed(offer) or offer.channel not in row.channels:
                continue
            if row.remotes and name not in row.remotes:
                continue
            there = found.get(offer.name)
            if there is None or _key(offer.serial) > _key(there.serial):
                found[offer.name] = offer
    return found


def _key(serial: str) -> tuple[int, int]:
    return names.serial_key(serial)


def _recorded(last: record.SyncRecord, asked: set[str]) -> dict[str, tuple[str, str]]:
    """The newest serial and its remote, by series, as the last sync saw them."""
    return {
        each.name: (each.newest, each.remote)
        for each in last.series
        if each.newest and each.remote not in asked
    }


def _row(
    site: Site,
    name: str,
    entry: SeriesEntry | None,
    offer: Offer | None,
    known: tuple[str, str],
    now: datetime,
    advised: Advised | None,
) -> Row:
    build = reading.newest(entry) if entry else None
    newest, remote = (offer.serial, offer.remote) if offer else known
    security, error = None, ""
    if build is not None and newest:
        try:
            security = _missing(site, name, build, newest, offer, advised)
        except ForgeError as problem:
            error = problem.message
    return Row(
        name,
        build.serial if build else "",
        newest,
        remote,
        now - _date(build) if build else None,
        security,
        bool(build and build.channel == CUSTOM),
        error,
    )


def _date(build: Build) -> datetime:
    """When a build was made: its serial says the day."""
    return min(build.published, datetime.strptime(build.serial[:8] + "+0000", "%Y%m%d%z"))


def _missing(
    site: Site,
    name: str,
    build: Build,
    newest: str,
    offer: Offer | None,
    advised: Advised | None,
) -> int | None:
    """How many source packages have security updates in the newest build, and not here."""
    if _key(newest) <= _key(build.serial):
        return 0
    if offer is None or offer.build is None:
        return None
    entry = site.facility.remotes[offer.remote]
    if not isinstance(entry, StoreRemote):
        return None
    url = entry.url if "://" in entry.url else str(site.path(entry.url))
    here = document_of(site.store.place, name, build, paths.cache().documents)
    there = document_of(open_readable(url), name, offer.build, paths.cache().documents)
    return security_updates(here, there, advised)


def security_updates(old: Document, new: Document, advised: Advised | None = None) -> int | None:
    """How many source packages have a security update from `old` to `new`; None if unknown.

    The lists that others publish do not say which archive a package is from. So only advisories
    tell of them; where these tell nothing, that is no proof that there is none.
    """
    others = [each for each in (old, new) if isinstance(each, Imported)]
    if any(not each.packages for each in others):
        return None
    before, after = ([package.shared() for package in each.packages] for each in (old, new))
    if not others:
        return sum(change.security for change in compare(before, after))
    changes = compare(told(before, after), told(after, before))
    known = sum(
        change.security or (advised is not None and advised(change, new.codename))
        for change in changes
    )
    return known if known or not changes else None


def document_of(place: Readable, name: str, build: Build, kept: Path) -> Document:
    """The manifest of a build, verified by its store's index; what was read once is kept."""
    path = f"{folder(name, build)}/{build.manifest.name}"
    content = fetching.kept(place, path, build.manifest, kept)
    where = f"{path} of {place.url}"
    return reading.parse_described(content.decode(errors="replace"), name, build, where)
