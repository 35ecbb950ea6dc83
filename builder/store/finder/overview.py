# SPDX-License-Identifier: GPL-2.0-or-later
"""What the first page shows: every series with its current build, by release, and what to filter.

Releases that are out come first, the newest first, then those that are still made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from builder import names
from builder.distros import DISTROS, releases
from builder.models import ARCHES
from builder.store.finder.facts import StoreFacts
from builder.store.finder.links import link
from builder.store.finder.model import Link, SeriesView, series_view, without_build
from builder.store.index import NAME, StoreIndex

NO_ROLE = "none"


@dataclass(frozen=True)
class Option:
    """One choice of a filter."""

    value: str
    text: str


@dataclass(frozen=True)
class Filter:
    """What a page can be filtered by; `name` is also its name in the page's address."""

    name: str
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Row:
    """One line of a release's table: the series of one set of roles, by architecture."""

    roles: str
    cells: tuple[tuple[SeriesView, ...], ...]


@dataclass(frozen=True)
class ReleaseGroup:
    """All series of one release; `rows` are its table, with one cell for each of `arches`."""

    anchor: str
    title: str
    in_development: bool
    series: tuple[SeriesView, ...]
    arches: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Overview:
    """The first page; `now` is the time that ages count from.

    `past` are the series of which only manifests are left; `images` and `builds` are numbers.
    """

    index: StoreIndex
    index_href: str
    now: datetime
    groups: tuple[ReleaseGroup, ...]
    filters: tuple[Filter, ...]
    past: tuple[Link, ...]
    images: int
    builds: int


@dataclass(frozen=True)
class _Release:
    """A release as names and distro-info know it; an index may name others."""

    distro: str
    release: str

    def title(self) -> str:
        if self.distro not in DISTROS:
            return f"{self.distro} {self.release}"
        return names.title(names.Name(self.distro, self.release))

    def in_development(self, now: datetime) -> bool:
        name = names.Name(self.distro, self.release)
        return self.distro in DISTROS and names.in_development(name, now.date())

    def place(self, now: datetime) -> tuple[int, str, bool, int, tuple[int, ...], str]:
        """What releases sort by."""
        order = list(DISTROS)
        if self.distro not in order:
            return len(order), self.distro, False, 0, self._numbers(), self.release
        known = list(releases(DISTROS[self.distro]))
        age = -known.index(self.release) if self.release in known else 0
        place = order.index(self.distro), "", self.in_development(now), age
        return *place, self._numbers(), self.release

    def _numbers(self) -> tuple[int, ...]:
        """The release's numbers, so that the greatest comes first: 10 before 9."""
        return tuple(-int(number) for number in re.findall(r"[0-9]+", self.release))


def overview(index: StoreIndex, facts: StoreFacts, now: datetime) -> Overview:
    """The first page of a store at a time (UTC)."""
    shown = [view for entry in index.series if (view := series_view(entry, facts)) is not None]
    by_release: dict[_Release, list[SeriesView]] = {}
    for view in shown:
        by_release.setdefault(_Release(view.entry.distro, view.entry.release), []).append(view)
    found = sorted(by_release, key=lambda release: release.place(now))
    return Overview(
        index=index,
        index_href=link(NAME),
        now=now,
        groups=tuple(_group(release, by_release[release], now) for release in found),
        filters=_filters(shown, found),
        past=tuple(each for entry in index.series if (each := without_build(entry)) is not None),
        images=len(shown),
        builds=sum(build.state == "public" for entry in index.series for build in entry.builds),
    )


def _group(release: _Release, views: Iterable[SeriesView], now: datetime) -> ReleaseGroup:
    ordered = sorted(views, key=lambda view: (view.entry.roles, _arch_place(view.entry.arch)))
    arches = tuple(_in_order({view.entry.arch for view in ordered}))
    by_roles: dict[tuple[str, ...], list[SeriesView]] = {}
    for view in ordered:
        by_roles.setdefault(view.entry.roles, []).append(view)
    return ReleaseGroup(
        # Only names of series are sure to be fit for an id.
        anchor=f"r-{ordered[0].entry.name}",
        title=release.title(),
        in_development=release.in_development(now),
        series=tuple(ordered),
        arches=arches,
        rows=tuple(_row(roles, of_roles, arches) for roles, of_roles in by_roles.items()),
    )


def _row(roles: tuple[str, ...], views: Iterable[SeriesView], arches: Sequence[str]) -> Row:
    cells: dict[str, list[SeriesView]] = {arch: [] for arch in arches}
    for view in views:
        cells[view.entry.arch].append(view)
    return Row(", ".join(roles), tuple(map(tuple, cells.values())))


def _filters(views: Sequence[SeriesView], found: Sequence[_Release]) -> tuple[Filter, ...]:
    distros = dict.fromkeys(release.distro for release in found)
    roles = {role for view in views for role in view.entry.roles}
    plain = [Option(NO_ROLE, "none")] if any(not view.entry.roles for view in views) else []
    return (
        Filter("distro", "Distribution", tuple(Option(each, _distro(each)) for each in distros)),
        Filter(
            "release",
            "Release",
            tuple(Option(f"{each.distro}-{each.release}", each.title()) for each in found),
        ),
        Filter("role", "Role", (*plain, *(Option(role, role) for role in sorted(roles)))),
        Filter(
            "arch",
            "Architecture",
            tuple(Option(arch, arch) for arch in _in_order({v.entry.arch for v in views})),
        ),
        Filter(
            "format",
            "Format",
            tuple(Option(each, each) for each in sorted({f for v in views for f in v.formats})),
        ),
    )


def _distro(token: str) -> str:
    return DISTROS[token].title if token in DISTROS else token


def _in_order(arches: Iterable[str]) -> list[str]:
    return sorted(arches, key=_arch_place)


def _arch_place(arch: str) -> tuple[int, str]:
    """Architectures in the order of the project's table, others after them."""
    order = list(ARCHES)
    return (order.index(arch) if arch in order else len(order)), arch
