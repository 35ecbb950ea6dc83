# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge list`: which images there are, and what is built of them here."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from builder import classes, images, names, paths, pipeline
from builder.builds import Builds
from builder.cli import common

DESCRIPTION = """\
List the images of images.yaml with their newest build in OUT. With --all, list every image that
the classes can make: each release and architecture, plain and with each single role.
"""


@dataclass(frozen=True)
class _Row:
    name: str
    title: str
    listed: bool
    formats: tuple[str, ...]
    serials: tuple[str, ...]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that images.yaml leaves out")
    common.add_out(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    known = common.catalogue(arguments) if arguments.all else None
    rows = _rows(common.builds(arguments), known)
    if arguments.json:
        common.print_json(rows)
        return 0
    width = max((len(row.name) for row in rows), default=0)
    title = max((len(row.title) for row in rows), default=0)
    for row in rows:
        newest = row.serials[-1] if row.serials else "not built here"
        print(f"{row.name:<{width}}  {row.title:<{title}}  {newest}")
    return 0


def _rows(builds: Builds, known: classes.Catalogue | None) -> list[_Row]:
    """The images of images.yaml, and every other that some classes can make."""
    listed = {row.name: row.formats for row in images.read(paths.project_root())}
    shown = dict(listed)
    if known is not None:
        for name in classes.series(known):
            shown.setdefault(name, pipeline.DEFAULT_FORMATS)
    return [
        _Row(
            name=str(name),
            title=names.title(name),
            listed=name in listed,
            formats=formats,
            serials=tuple(built.serial for built in builds.of(str(name))),
        )
        for name, formats in shown.items()
    ]


VERB = common.Verb("list", "list images and their builds", DESCRIPTION, _arguments, _call)
