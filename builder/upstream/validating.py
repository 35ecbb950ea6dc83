# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with the files of upstreams: all of it, with its lines, and nothing is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from builder import documents, names
from builder.documents import DocumentError
from builder.upstream import catalogue
from builder.upstream.candidates import Told
from builder.upstream.catalogue import SCHEMA
from builder.upstream.model import Upstream

# A word whose brace is not closed; {8} and {2,3} count in regular expressions.
OPEN: Final = re.compile(r"\{([a-z]+)(?![a-z]*\})")
WORD: Final = re.compile(r"\{([a-z]+)\}")
# What stands in place of words in braces: of each image, and of one version of it.
OF_IMAGES: Final = frozenset({"distro", "release", "number", "codename", "arch"})
OF_VERSIONS: Final = frozenset({"file", "stem", "list", "version", "date", "respin"})
# Where only words of images are known.
EARLY: Final = ("file",)


def flaws(path: Path) -> list[DocumentError]:
    """What is wrong with one file, by lines; empty if nothing is."""
    try:
        text = documents.read_text(path, missing="is it there, and yours to read?")
    except DocumentError as error:
        return [error]
    found = documents.flaws(Upstream, text, path, SCHEMA)
    if found:
        return found
    try:
        source = catalogue.read_file(path)
    except DocumentError as error:
        found.append(error)
    else:
        found += _in_patterns(path, text, source.upstream)
    own = _own_words(documents.parse(Upstream, text, path))
    found += _in_words(path, text, own)
    return sorted(found, key=lambda each: each.line)


def _in_patterns(path: Path, text: str, upstream: Upstream) -> Iterator[DocumentError]:
    """Patterns whose groups nobody knows."""
    places: list[tuple[tuple[str | int, ...], str | None]] = [(("file",), upstream.file)]
    places += [(("releases", n, "file"), each.file) for n, each in enumerate(upstream.releases)]
    for keys, pattern in places:
        groups = re.compile(WORD.sub("x", pattern)).groupindex if pattern else {}
        for group in groups.keys() - set(Told._fields):
            yield DocumentError(
                path,
                f"the field {keys[-1]} has the group {group}, which means nothing",
                f"groups are {', '.join(Told._fields)}",
                documents.line_of(text, keys),
            )


def _own_words(upstream: Upstream) -> frozenset[str]:
    """The words that a file itself gives a meaning."""
    said = (traits.words or {} for traits in (upstream, *upstream.releases))
    return frozenset(word for words in said for each in words.values() for word in each)


def _in_words(path: Path, text: str, own: frozenset[str]) -> Iterator[DocumentError]:
    """Words in braces that stand for nothing; `own` are those of the file."""
    content: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (it makes only texts)
    for keys, said in _texts(content):
        early = keys[-1] in EARLY and not {"signature", "packages"} & set(keys)
        known = own | OF_IMAGES
        if not early and keys[-1] != "keyring":
            known |= OF_VERSIONS
        for word in OPEN.findall(said):
            yield DocumentError(
                path,
                f"the field {keys[-1]} has {{{word}, and no brace behind it",
                f"write {{{word}}}",
                documents.line_of(text, keys),
            )
        for word in dict.fromkeys(WORD.findall(said)):
            if word not in known:
                yield DocumentError(
                    path,
                    f"the field {keys[-1]} has {{{word}}}, which stands for nothing"
                    f" there{names.did_you_mean(word, known)}",
                    f"words are {', '.join(sorted(known))}",
                    documents.line_of(text, keys),
                )


def _texts(
    content: Any, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """All texts of a document, each with the keys that lead to it."""
    if isinstance(content, str) and keys:
        yield keys, content
    members = (
        content.items()
        if isinstance(content, Mapping)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in members:
        yield from _texts(value, (*keys, key))
