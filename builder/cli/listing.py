# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge list`: which images there are, and what is built of them here."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder import classes, images, paths, pipeline
from builder.builds import Builds
from builder.cli import common

DESCRIPTION = """\
List the images of images.yaml with their title, their FAI classes, the formats that are made, the
policy that says when they are built anew, and their newest build in OUT. With --all, list every
image that the classes can make: each release and architecture, plain and with each single role.
"""

HEADINGS = ("IMAGE", "TITLE", "POLICY", "NEWEST", "FORMATS", "CLASSES")
# How many of these are on the first line where a line is too short for all.
FIRST = 4
NOT_BUILT = "-"
INDENT = " " * 4
# Of a title, as much as leaves room for the other columns; shorter ones say nothing.
SHORTEST_TITLE = 12


@dataclass(frozen=True)
class _Row:
    name: str
    title: str
    listed: bool
    channel: str
    policy: str
    formats: tuple[str, ...]
    classes: tuple[str, ...]
    serials: tuple[str, ...]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that images.yaml leaves out")
    common.add_out(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    known = common.catalogue(arguments)
    rows = _rows(common.builds(arguments), known, everything=arguments.all)
    if arguments.json:
        common.print_json(rows)
        return 0
    # Programs get a line for each image, people lines that fit.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(table(rows, width)))
    return 0


def _rows(builds: Builds, known: classes.Catalogue, *, everything: bool) -> list[_Row]:
    listed = {row.name: row for row in images.read(paths.project_root()).rows}
    shown = dict(listed)
    if everything:
        for name in classes.series(known):
            spec = classes.resolve(known, name)
            formats = spec.formats or pipeline.DEFAULT_FORMATS
            shown.setdefault(name, images.unlisted(name, formats))
    return [
        _row(row, classes.resolve(known, name), builds, listed=name in listed)
        for name, row in shown.items()
    ]


def _row(row: images.Listed, spec: classes.ImageSpec, builds: Builds, *, listed: bool) -> _Row:
    return _Row(
        name=str(row.name),
        title=row.title,
        listed=listed,
        channel=row.channel,
        policy=row.policy,
        formats=row.formats,
        # FAI's own first and last class are in every image.
        classes=spec.classes[1:-1],
        serials=tuple(built.serial for built in builds.of(str(row.name))),
    )


def table(rows: Sequence[_Row], width: int | None) -> Iterator[str]:
    """The lines for people; with a `width` in characters no line is longer."""
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(each[column]) for each in cells) for column in range(len(HEADINGS))]
    if width is None or sum(widths) + 2 * (len(widths) - 1) <= width:
        yield from (_line(each, widths) for each in cells)
        return
    others = sum(widths[:FIRST]) - widths[1] + 2 * (FIRST - 1)
    widths[1] = max(SHORTEST_TITLE, min(widths[1], width - others))
    for number, each in enumerate(cells):
        yield _line(each[:FIRST], widths)
        if number:
            yield from textwrap.wrap(
                f"{each[4]}: {each[5]}",
                width,
                initial_indent=INDENT,
                subsequent_indent=INDENT,
                break_on_hyphens=False,
            )


def _cells(row: _Row) -> tuple[str, ...]:
    newest = row.serials[-1] if row.serials else NOT_BUILT
    return (row.name, row.title, row.policy, newest, ",".join(row.formats), " ".join(row.classes))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = (
        f"{cell if len(cell) <= width else cell[: width - 1] + '…':<{width}}"
        for cell, width in zip(cells, widths, strict=False)
    )
    return "  ".join(shown).rstrip()


VERB = common.Verb("list", "list images and their builds", DESCRIPTION, _arguments, _call)
