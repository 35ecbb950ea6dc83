# SPDX-License-Identifier: GPL-2.0-or-later
"""Which images a nightly is about: names, and patterns of those that are listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from builder import names
from builder.errors import UsageError
from builder.images import FILE, Images

WILD = frozenset("*?[")


def asked(words: Iterable[str], images: Images) -> list[names.Name]:
    """The images, each once, in the order of the words; within a pattern in that of images.yaml.

    UsageError for a pattern that no listed image has, and for a word that is no name.
    """
    return list(dict.fromkeys(name for word in words for name in _meant(word, images)))


def _meant(word: str, images: Images) -> Iterator[names.Name]:
    if not WILD & set(word):
        name = names.parse(word)
        if name != name.series:
            raise UsageError(
                f"{word} is one build, and a nightly makes new ones", hint=f"write {name.series}"
            )
        yield name
        return
    found = [row.name for row in images.rows if fnmatchcase(str(row.name), word)]
    if not found:
        raise UsageError(f"no image of {FILE} is called {word}", hint="fai-forge list has them")
    yield from found
