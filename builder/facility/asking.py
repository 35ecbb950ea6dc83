# SPDX-License-Identifier: GPL-2.0-or-later
"""What all remotes offer; one that is down, or says nonsense, does not keep others from being read.

Whatever is wrong with a remote, it is an error of that remote: nothing of it is believed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from builder.errors import ForgeError, UsageError
from builder.facility import rebuilding
from builder.facility.config import Facility, Wanted
from builder.facility.deltas import Bases
from builder.facility.doors import DOORS, Doors
from builder.facility.remotes.open import open_remote
from builder.facility.remotes.store import PublishedStore, Rebuild, at
from builder.facility.site import Site
from builder.imports.offers import Offer, Remote
from builder.sites.model import OverlayEntry
from builder.store.open import scheme

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What one remote offers; nothing where `error` says why it could not be asked."""

    name: str
    url: str = ""
    offers: tuple[Offer, ...] = ()
    error: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Source:
    """A remote that may not even open: its keyring may be gone, or a module that it needs."""

    name: str
    open: Callable[[], Remote]


def sources(
    site: Site, only: str | None = None, rebuild: Rebuild | None = None
) -> tuple[Source, ...]:
    """The remotes of a site, or the one of them that is named; UsageError where there is none.

    With `rebuild`, stores of ours are asked to make images by building them again.
    """
    entries = site.facility.remotes
    if only is not None and only not in entries:
        raise UsageError(
            f"there is no remote {only} (there is: {', '.join(entries) or 'none'})",
            hint="write it below remotes: in facility.yaml, or give a URL and --keyring",
        )
    return tuple(
        Source(name, partial(_opened, name, site, rebuild))
        for name in entries
        if only in (None, name)
    )


def of(
    given: str | None,
    keyring: Path | None,
    site: Site | None,
    local: Callable[[str], Bases],
    rebuild: Rebuild | None = None,
) -> tuple[Source, ...]:
    """The remotes that `--from` and `--keyring` mean: one of the site's, all, or an address.

    `local` says which images of a series are here, for what has an address.
    """
    if given is not None and is_address(given):
        if keyring is None:
            raise UsageError(
                "a store that the facility does not know needs a keyring",
                hint="--keyring FILE has the public keys of its publisher; ask for them by another"
                " way than the store",
            )
        remote = at("", given, keyring, local)
        # What a person gave might hold a secret; a place's own name does not.
        remote.name = remote.url
        return (Source(remote.url, lambda: with_rebuild(remote, rebuild)),)
    if keyring is not None:
        raise UsageError(
            "--keyring goes with --from URL", hint="remotes of facility.yaml have their own"
        )
    if site is None:
        raise UsageError("no remote is given", hint="--from URL --keyring FILE names one")
    return sources(site, given, rebuild)


def is_address(given: str) -> bool:
    """Whether a word is a folder or a URL, and not the name of a remote."""
    return "/" in given or bool(scheme(given))


def of_row(row: Wanted | None, found: Sequence[Source]) -> tuple[Source, ...]:
    """Those of several remotes that a row takes its series from, in its order."""
    if row is None or not row.remotes:
        return tuple(found)
    by_name = {source.name: source for source in found}
    return tuple(by_name[name] for name in row.remotes if name in by_name)


def needed(facility: Facility, found: Sequence[Source]) -> tuple[Source, ...]:
    """Those of several remotes that any row takes a series from."""
    if not all(row.remotes for row in facility.series):
        return tuple(found)
    wanted = {name for row in facility.series for name in row.remotes}
    return tuple(source for source in found if source.name in wanted)


def rebuilder(site: Site | None) -> Rebuild:
    """What makes images by building them again, with the overlays of a site."""
    words = () if site is None else tuple(_argument(each, site) for each in site.facility.overlays)
    return partial(rebuilding.rebuild, ground=rebuilding.Ground(overlays=words))


def _argument(entry: OverlayEntry, site: Site) -> str:
    """What `--overlay` wants to hear of an overlay of the site."""
    return f"{entry.url}#{entry.commit}" if entry.url else str(site.path(entry.folder or ""))


def _opened(name: str, site: Site, rebuild: Rebuild | None) -> Remote:
    remote = open_remote(name, site.facility.remotes[name], site)
    return with_rebuild(remote, rebuild)


def with_rebuild(remote: Remote, rebuild: Rebuild | None) -> Remote:
    """The remote; a store of ours makes images by building them again, where that is given."""
    if rebuild is not None and isinstance(remote, PublishedStore):
        remote.rebuild = rebuild
    return remote


def ask(source: Source, series: str | None = None) -> tuple[Answer, Remote | None]:
    """What a remote offers, of all series or of one; the remote itself, if it could be asked."""
    url = ""
    try:
        remote = source.open()
        url = remote.url
        return Answer(source.name, url, tuple(remote.offers(series))), remote
    except ForgeError as error:
        return Answer(source.name, url, error=error.message, hint=error.hint), None
    except Exception as error:
        # What it says is not ours to choose; it must not end what is done with others.
        log.debug("%s", source.name, exc_info=True)
        said = f"what it says makes no sense ({type(error).__name__}: {error})"
        return Answer(source.name, url, error=said, hint="tell us about it"), None


def everyone(site: Site, doors: Doors = DOORS) -> tuple[Answer, ...]:
    """What each remote of a site offers."""
    return tuple(
        ask(Source(name, partial(doors.remote, name, entry, site)))[0]
        for name, entry in site.facility.remotes.items()
    )


def allowed(row: Wanted | None, answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers of the remotes that a row takes its series from, in the row's order."""
    if row is None or not row.remotes:
        return tuple(answers)
    by_name = {answer.name: answer for answer in answers}
    return tuple(by_name[name] for name in row.remotes if name in by_name)


def complain(answers: Iterable[Answer]) -> None:
    """Say which remotes could not be asked."""
    for answer in answers:
        if answer.error:
            log.warning("%s: %s", answer.name, answer.error)
