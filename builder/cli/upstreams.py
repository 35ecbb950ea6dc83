# SPDX-License-Identifier: GPL-2.0-or-later
"""What the verbs about upstreams share: which sources there are, and how they are asked."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from builder import paths, web
from builder.errors import UsageError
from builder.upstream import catalogue
from builder.upstream.asking import Asking
from builder.upstream.catalogue import FOLDER, Catalogue

FOLDERS_VARIABLE: Final = "FAI_FORGE_UPSTREAMS"
INSTEAD_VARIABLE: Final = "FAI_FORGE_UPSTREAM_INSTEAD"
# How many images one line names.
MOST_NAMES: Final = 3
PAIR: Final = re.compile(r"(https?://[^\s=?#]+)=(https?://[^\s?#]+)")


def add_names(parser: argparse.ArgumentParser, *, nothing: str) -> None:
    """`NAME...`."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="an image (alma-10), a source (almalinux), or a pattern ('ubuntu-*'); " + nothing,
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """`--upstreams`."""
    parser.add_argument(
        "--upstreams",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder with files of your own, which come in place of ours of the same name; may"
        f" be given more than once (also ${FOLDERS_VARIABLE}, with : in between)",
    )


def add_asking(parser: argparse.ArgumentParser) -> None:
    """`--instead` and `--beta`, with `--upstreams`."""
    add_sources(parser)
    parser.add_argument(
        "--instead",
        action="append",
        default=[],
        metavar="URL=URL",
        help="ask a mirror of your own for all below the first URL; may be given more than once"
        f" (also ${INSTEAD_VARIABLE}, with blanks in between)",
    )
    parser.add_argument(
        "--beta", action="store_true", help="also take versions that their makers call unfinished"
    )


def asking(arguments: argparse.Namespace) -> Asking:
    """How upstreams are asked."""
    words = (*os.environ.get(INSTEAD_VARIABLE, "").split(), *arguments.instead)
    return Asking(dict(map(_pair, words)), arguments.beta)


def sources(arguments: argparse.Namespace) -> Catalogue:
    """The project's sources, and those of the folders that were asked for."""
    return catalogue.read(folders(arguments))


def folders(arguments: argparse.Namespace) -> tuple[Path, ...]:
    """Where the files are, those that count more last; UsageError for a folder that is not there.

    Verbs without `--upstreams` know the project's and those of the environment.
    """
    words = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    own = (*(Path(word) for word in words if word), *getattr(arguments, "upstreams", ()))
    for folder in own:
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is no folder", hint=f"--upstreams and ${FOLDERS_VARIABLE} name folders"
            )
    return (paths.project_root() / FOLDER, *own)


def hints(said: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What to do about images, by their names; what is the same for many is said once."""
    names: dict[str, list[str]] = {}
    for name, hint in said:
        if hint:
            names.setdefault(hint, []).append(name)
    for hint, those in names.items():
        for line in hint.splitlines():
            yield f"{_some(those)}: {line}"


def _some(names: list[str]) -> str:
    """Names for a line: all of a few, and how many there are of others."""
    shown = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _pair(word: str) -> tuple[str, str]:
    """The beginnings of two URLs; both end with a slash, so that no other server's begins so."""
    found = PAIR.fullmatch(word)
    if found is None:
        raise UsageError(
            f"{word!r} is no pair of URLs",
            hint="write the upstream's URL, =, and your own: https://their.org/=https://ours.org/",
        )
    theirs, ours = (f"{url.rstrip('/')}/" for url in found.groups())
    web.check(ours, "mirrors are read by https")
    return theirs, ours
