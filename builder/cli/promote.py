# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge promote`: give published builds the names that a reviewed file says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from builder import images, paths
from builder.cli import common, stores
from builder.errors import InfrastructureError, UsageError
from builder.store import tags
from builder.store.promoting import Promotion
from builder.store.tending import Wishes, promote

DESCRIPTION = """\
Give published builds the names that a file says, such as debian-13-13.4; docs/promotion.md shows
the file. The whole file is looked at before anything is done: if one row is refused, nothing
happens, and each row is reported. A tag never moves. A row about an OCI image gives it another tag
inside of its registry.

With --monthly, each series also gets the tag of this month, such as debian-13-202611, on the first
released build that the month has.

examples:
  fai-forge promote tags.yaml --store /srv/images --dry-run
  fai-forge promote tags.yaml --store /srv/images
  fai-forge promote --monthly --store /srv/images

exit codes: 2 if a row is refused, 4 if a registry failed after the first tag was created.
"""
HEADINGS = ("IMAGE", "TAG", "BUILD", "DECISION", "WHY")
# What is said of a tag, by its outcome, before and after the fact.
WORDS = {
    "there": ("unchanged", "unchanged"),
    "create": ("create", "created"),
    "refused": ("REFUSED", "REFUSED"),
    "failed": ("FAILED", "FAILED"),
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="the names, such as tags.yaml"
    )
    parser.add_argument("--monthly", action="store_true", help="give the tag of this month, too")
    stores.add_store(parser, needed=False)
    stores.add_dry_run(parser)
    common.add_out(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    if not arguments.file and not arguments.monthly:
        raise UsageError("nothing is to be promoted", hint="give a file, or --monthly, or both")
    wishes = Wishes(tags.read(arguments.file) if arguments.file else (), arguments.monthly)
    if wishes.needs_store and not arguments.store:
        raise UsageError("no store is given", hint="say which one with --store")
    publisher = stores.publisher(arguments) if wishes.needs_store else None
    channels = images.read(paths.project_root()).channels
    now = datetime.now(UTC).replace(microsecond=0)
    found = promote(publisher, wishes, channels, now, dry_run=arguments.dry_run)
    # Where one is refused, nothing was done, whatever was asked for.
    done = not arguments.dry_run and not _with(found, "refused")
    if arguments.json:
        common.print_json({"done": done, "tags": found})
    else:
        print("\n".join(lines(found, done=done)))
    if refused := _with(found, "refused"):
        raise UsageError(
            f"{len(refused)} of {len(found)} tags cannot be given; nothing was changed",
            hint="correct the file; a name that is taken stays where it is",
        )
    if failed := _with(found, "failed"):
        raise InfrastructureError(
            f"{len(failed)} of {len(found)} tags could not be written",
            hint="call it again: what was done stays as it is",
        )
    return 0


def lines(found: Sequence[Promotion], *, done: bool) -> list[str]:
    """The table that is printed."""
    rows = [
        (each.name, each.tag, each.source, WORDS[each.outcome][done], each.reason) for each in found
    ]
    return common.table(HEADINGS, rows) if rows else ["no build is fit for a tag"]


def _with(found: Sequence[Promotion], outcome: str) -> list[Promotion]:
    return [each for each in found if each.outcome == outcome]


VERB = common.Verb("promote", "give published builds stable names", DESCRIPTION, _arguments, _call)
