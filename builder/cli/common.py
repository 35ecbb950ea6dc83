# SPDX-License-Identifier: GPL-2.0-or-later
"""What the verbs share: their shape, common arguments, and printing JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder import paths, pipeline
from builder.builds import Builds
from builder.classes import Catalogue
from builder.planning.prospect import Ground
from builder.sites.model import OverlayEntry
from builder.sites.outside import Outside, gather

DEFAULT_OUT = Path("out")


@dataclass(frozen=True)
class Verb:
    """One verb: how it is described, which arguments it takes, and what it calls."""

    name: str
    summary: str
    description: str
    arguments: Callable[[argparse.ArgumentParser], None]
    call: Callable[[argparse.Namespace], int]


def add_verbs(parser: argparse.ArgumentParser, verbs: Iterable[Verb], dest: str) -> None:
    """Verbs below a parser; their name goes to `dest`, what to call to DEST_call."""
    below = parser.add_subparsers(dest=dest, metavar="VERB", required=True)
    for verb in verbs:
        sub = below.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.arguments(sub)
        sub.set_defaults(**{f"{dest}_call": verb.call})


def add_out(parser: argparse.ArgumentParser) -> None:
    """`--out`: the folder of built images."""
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_OUT,
        metavar="DIR",
        help="the folder of built images (default: %(default)s)",
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    """`--json`: the answer for programs."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def add_archive(parser: argparse.ArgumentParser) -> None:
    """`--mirror` and `--security-mirror`."""
    parser.add_argument(
        "--mirror", metavar="URL", help="the archive to build from (default: this machine's own)"
    )
    parser.add_argument(
        "--security-mirror",
        metavar="URL",
        help="its security archive (default: this machine's own)",
    )


def add_build(parser: argparse.ArgumentParser) -> None:
    """What decides how an image is built."""
    add_out(parser)
    add_archive(parser)
    parser.add_argument(
        "--workspace",
        choices=("auto", "memory", "disk"),
        default="auto",
        help="where the image is put together; auto is memory where it suffices",
    )


def add_overlays(parser: argparse.ArgumentParser) -> None:
    """`--overlay` and `--site`: classes from outside of the project."""
    parser.add_argument(
        "--overlay",
        action="append",
        default=[],
        metavar="DIR|URL#COMMIT",
        help="also use the classes of this folder, which holds classes/NAME/, or of this git"
        " repository; may be given more than once",
    )
    parser.add_argument(
        "--site",
        type=Path,
        metavar="FILE",
        help="a site's configuration, which may name overlays (default: $FAI_FORGE_SITE, else"
        " site.yaml in this folder if there is one)",
    )


def overlays(
    arguments: argparse.Namespace, more: Sequence[tuple[OverlayEntry, Path]] = ()
) -> tuple[Outside, ...]:
    """The overlays that were asked for, and `more`; those from git are fetched if they are new."""
    return gather(arguments.overlay, arguments.site, paths.cache().overlays, more)


def catalogue(arguments: argparse.Namespace) -> Catalogue:
    """All classes: the project's, and those of the overlays that were asked for."""
    return pipeline.catalogue(paths.project_root(), overlays(arguments))


def ground(arguments: argparse.Namespace) -> Ground:
    """What plans stand on: the classes and archives that were asked for."""
    return Ground(
        paths.project_root(),
        catalogue(arguments),
        paths.cache(),
        arguments.mirror,
        arguments.security_mirror,
    )


def builds(arguments: argparse.Namespace) -> Builds:
    """The folder of built images that was asked for."""
    return Builds(arguments.out.absolute())


def wrapped(words: Iterable[str]) -> str:
    """Words in lines that fit a terminal, indented."""
    return textwrap.fill(
        " ".join(words), 96, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with columns as wide as what is in them; the last one is not filled up."""
    cells = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:<{wide}}" for cell, wide in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def print_json(answer: Any) -> None:
    """Print a document for programs on stdout."""
    json.dump(answer, sys.stdout, indent=2, default=_plain)
    print()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
