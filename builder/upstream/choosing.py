# SPDX-License-Identifier: GPL-2.0-or-later
"""Which images are meant by what a person writes: `alma-10`, `ubuntu-*`, or a whole source."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from builder import names
from builder.errors import ForgeError, UsageError
from builder.upstream import sense
from builder.upstream.asking import Asking
from builder.upstream.catalogue import Catalogue, Source
from builder.upstream.series import Series

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chosen:
    """The images that were meant, and the sources whose releases cannot be known, with the why.

    `named` says that somebody wrote their names, and not only that all are wanted. `demanded` are
    the images that somebody asked for in a way that leaves nothing if they are not there: by their
    names, or by a word that means nothing which a site has.
    """

    series: tuple[Series, ...]
    failures: tuple[tuple[str, ForgeError], ...] = ()
    named: bool = False
    demanded: frozenset[str] = frozenset()


def choose(catalogue: Catalogue, words: Sequence[str], asking: Asking) -> Chosen:
    """The images that some words mean, in the order of the sources; all of them for no word.

    A word is an image's name in any spelling, a source's name, or a pattern of either. UsageError
    for one that means nothing.
    """
    wanted = tuple(dict.fromkeys(_canonical(word) for word in words))
    found: dict[str, Series] = {}
    failures: list[tuple[str, ForgeError]] = []
    known: set[str] = set(catalogue.sources)
    met: set[str] = set()
    for source in catalogue.sources.values():
        about = [word for word in wanted if _may_be(word, source)]
        if wanted and not about:
            continue
        try:
            with sense.made(source.name):
                series = source.series(asking)
        except ForgeError as error:
            failures.append((source.name, error))
            met.update(about)
            continue
        known.update(each.name for each in series)
        for each in series:
            names_it = [word for word in about if _means(word, each)]
            met.update(names_it)
            if names_it or not wanted:
                # Two sources of one image would publish over each other: the site's own counts.
                if each.name in found:
                    log.warning(
                        "%s stands in %s and in %s: the latter counts",
                        each.name,
                        found[each.name].path,
                        each.path,
                    )
                found[each.name] = each
    for word in wanted:
        if word not in met:
            raise UsageError(
                f"no upstream has {word}{names.did_you_mean(word, _all_names(catalogue, known))}",
                hint="fai-forge upstream list shows all of them",
            )
    chosen = tuple(found.values())
    demanded = frozenset(name for word in wanted for name in _demanded(word, chosen))
    return Chosen(chosen, tuple(failures), named=bool(words), demanded=demanded)


def _demanded(word: str, chosen: Sequence[Series]) -> Iterator[str]:
    meant = [each for each in chosen if _means(word, each)]
    if word in {each.name for each in meant}:
        yield word
    elif not any(each.supplied for each in meant):
        yield from (each.name for each in meant)


def _all_names(catalogue: Catalogue, known: set[str]) -> Iterator[str]:
    yield from known
    for source in catalogue.sources.values():
        for release in source.upstream.releases:
            yield f"{source.upstream.distro}-{release.release}"


def _canonical(word: str) -> str:
    """A name as our stores have it; other words as they are."""
    try:
        return str(names.parse(word).series)
    except UsageError:
        return word


def _may_be(word: str, source: Source) -> bool:
    """Whether a word may mean an image of a source, before anybody asked which ones it has."""
    first = word.partition("-")[0]
    return fnmatchcase(source.name, word) or fnmatchcase(source.upstream.distro, first)


def _means(word: str, series: Series) -> bool:
    return fnmatchcase(series.name, word) or fnmatchcase(series.source, word)
