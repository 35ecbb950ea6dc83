# SPDX-License-Identifier: GPL-2.0-or-later
"""What pages show of a build and of a series, with all links made.

Hidden builds are in none of it; of removed ones there is what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from builder.manifest.imported import Origin
from builder.manifest.model import Verdict
from builder.store.finder import files
from builder.store.finder.chart import Chart, chart
from builder.store.finder.facts import BuildFacts, StoreFacts, Why
from builder.store.finder.links import link
from builder.store.finder.wording import count
from builder.store.index import NO_BOOT, Build, Image, SeriesEntry, folder

PAGE = "index.html"
# Pages of series are one folder down.
UP = "../"
RELEASED = "release"
NOTHING_KNOWN = BuildFacts()

Tone = Literal["good", "bad", "unknown"]


@dataclass(frozen=True)
class Link:
    """A text that leads to a file of the store."""

    text: str
    href: str


@dataclass(frozen=True)
class LinkGroup:
    """Links to files of one kind."""

    title: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Download:
    """An image to download."""

    href: str
    image: Image


@dataclass(frozen=True)
class Badge:
    """A verdict in few words; no `href` where there is no log."""

    text: str
    tone: Tone
    href: str | None = None


@dataclass(frozen=True)
class Trial:
    """A boot, or a check that failed, as a row of a table; `log` is a link."""

    what: str
    verdict: str
    detail: str
    log: str | None


@dataclass(frozen=True)
class BuildView:
    """A build as both pages show it; `name` and `tags` are full names.

    `doubts` say why it should not be trusted, though it was published.
    """

    name: str
    build: Build
    downloads: tuple[Download, ...]
    badges: tuple[Badge, ...]
    tags: tuple[str, ...]
    doubts: tuple[str, ...]
    origin: Origin | None


@dataclass(frozen=True)
class BuildDetails:
    """A build with all that the page of its series tells.

    `anchor` is its id there (a serial may stand in two channels), `beside` are the files that are
    no images, `signature` names the one that vouches for the digests.
    """

    view: BuildView
    anchor: str
    facts: BuildFacts
    trials: tuple[Trial, ...]
    manifest: Link
    beside: tuple[LinkGroup, ...]
    signature: str | None


@dataclass(frozen=True)
class SeriesView:
    """A series as the first page shows it; `newer` leads to a later build of another channel."""

    entry: SeriesEntry
    href: str
    current: BuildView
    formats: tuple[str, ...]
    policy: str
    why: Why | None
    newer: Link | None


@dataclass(frozen=True)
class Tombstone:
    """A build that was removed, and the manifest that is left of it."""

    build: Build
    manifest: Link


@dataclass(frozen=True)
class SeriesPage:
    """The page of a series; `others` are all builds but the current one, newest first."""

    entry: SeriesEntry
    policy: str
    why: Why | None
    current: BuildDetails | None
    others: tuple[BuildDetails, ...]
    removed: tuple[Tombstone, ...]
    sizes: Chart | None


def series_view(entry: SeriesEntry, facts: StoreFacts) -> SeriesView | None:
    """A series for the first page; None where no build of it is to be found."""
    build = _current(entry)
    if build is None:
        return None
    known = _facts(entry, build, facts)
    why = facts.decisions.get(entry.name) or known.why
    newest = next(_newest_first(entry, "public"))
    return SeriesView(
        entry=entry,
        href=link(f"{entry.name}/{PAGE}"),
        current=_view(entry, build, known),
        formats=tuple(dict.fromkeys(image.format for image in build.images)),
        policy=_policy(entry, facts, why),
        why=why,
        newer=None if newest is build else _newer(entry, newest),
    )


def without_build(entry: SeriesEntry) -> Link | None:
    """The page of a series of which only manifests are left; None for any other."""
    states = {build.state for build in entry.builds}
    if "public" in states or "removed" not in states:
        return None
    return Link(entry.name, link(f"{entry.name}/{PAGE}"))


def series_page(entry: SeriesEntry, facts: StoreFacts) -> SeriesPage:
    """The page of a series; it may have no builds."""
    found = [(build, _details(entry, build, facts)) for build in _newest_first(entry, "public")]
    chosen = _current(entry)
    current = next((details for build, details in found if build is chosen), None)
    why = facts.decisions.get(entry.name) or (current.facts.why if current else None)
    return SeriesPage(
        entry=entry,
        policy=_policy(entry, facts, why),
        why=why,
        current=current,
        others=tuple(details for build, details in found if build is not chosen),
        removed=tuple(
            Tombstone(build, Link(build.manifest.name, _href(entry, build, build.manifest.name)))
            for build in _newest_first(entry, "removed")
        ),
        sizes=chart([build for build, _ in reversed(found)]),
    )


def _newest_first(entry: SeriesEntry, state: str) -> Iterator[Build]:
    return (build for build in reversed(entry.builds) if build.state == state)


def _current(entry: SeriesEntry) -> Build | None:
    """The build to take: the newest that is released, or the newest if none is."""
    released = (b for b in _newest_first(entry, "public") if b.channel == RELEASED)
    return next(released, None) or next(_newest_first(entry, "public"), None)


def _newer(entry: SeriesEntry, build: Build) -> Link:
    page = link(f"{entry.name}/{PAGE}")
    return Link(f"{build.serial}, {build.channel}", f"{page}#{_anchor(build)}")


def _anchor(build: Build) -> str:
    return f"{build.channel}-{build.serial}"


def _facts(entry: SeriesEntry, build: Build, facts: StoreFacts) -> BuildFacts:
    return facts.builds.get(folder(entry.name, build)) or NOTHING_KNOWN


def _policy(entry: SeriesEntry, facts: StoreFacts, why: Why | None) -> str:
    return facts.policies.get(entry.name) or (why.policy if why else "")


def _href(entry: SeriesEntry, build: Build, name: str, up: str = UP) -> str:
    return link(f"{folder(entry.name, build)}/{name}", up)


def _file(entry: SeriesEntry, build: Build, name: str) -> Link:
    """A link to a file beside an image; its text is short, as all of them start with the build."""
    return Link(name.removeprefix(f"{entry.name}-{build.serial}."), _href(entry, build, name))


def _view(entry: SeriesEntry, build: Build, known: BuildFacts, up: str = "") -> BuildView:
    return BuildView(
        name=f"{entry.name}-{build.serial}",
        build=build,
        downloads=tuple(
            Download(_href(entry, build, image.name, up), image) for image in build.images
        ),
        badges=(
            _checks_badge(known),
            *(
                Badge(
                    f"{entry.arch} {boot.name} {boot.verdict}",
                    "good" if boot.verdict == "passed" else "bad",
                    _href(entry, build, boot.log, up) if boot.log else None,
                )
                for boot in known.boots
            ),
            *([] if known.boots else [Badge("no boots known", "unknown")]),
        ),
        tags=tuple(f"{entry.name}-{tag.tag}" for tag in build.tags),
        doubts=_doubts(build, known),
        origin=known.origin,
    )


def _doubts(build: Build, known: BuildFacts) -> tuple[str, ...]:
    """Why a build is not verified; what others made and vouch for is not booted by us first."""
    return tuple(text for text in build.unverified if not (known.origin and text == NO_BOOT))


def _checks_badge(known: BuildFacts) -> Badge:
    total = count(len(known.checks), "check")
    failed = sum(check.verdict == "failed" for check in known.checks)
    if not known.checks:
        return Badge("no checks known", "unknown")
    return (
        Badge(f"{failed} of {total} failed", "bad") if failed else Badge(f"{total} passed", "good")
    )


def _details(entry: SeriesEntry, build: Build, facts: StoreFacts) -> BuildDetails:
    known = _facts(entry, build, facts)
    images = {image.name for image in build.images}
    names = {build.manifest.name, build.sums.name, *known.files} - images
    return BuildDetails(
        view=_view(entry, build, known, UP),
        anchor=_anchor(build),
        facts=known,
        trials=tuple(_trials(entry, build, known)),
        manifest=Link(build.manifest.name, _href(entry, build, build.manifest.name)),
        beside=tuple(
            LinkGroup(group.title, tuple(_file(entry, build, name) for name in group.names))
            for group in files.grouped(names)
        ),
        signature=next((name for name in files.SIGNATURES if name in names), None),
    )


def _trials(entry: SeriesEntry, build: Build, known: BuildFacts) -> Iterator[Trial]:
    """All boots, and the checks that failed: those that passed are only counted."""
    for boot in known.boots:
        yield _trial(f"boot, {entry.arch} {boot.name}", entry, build, boot)
    for check in known.checks:
        if check.verdict == "failed":
            yield _trial(f"check, {check.name}", entry, build, check)


def _trial(what: str, entry: SeriesEntry, build: Build, found: Verdict) -> Trial:
    log = _href(entry, build, found.log) if found.log else None
    return Trial(what, found.verdict, found.detail, log)
