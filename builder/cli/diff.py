# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge diff`: what differs between two builds, or between one and the archive."""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from builder import images, names, paths
from builder.archive.debnews import Shelf
from builder.archive.pool import DebCache
from builder.cli import common
from builder.errors import UsageError
from builder.manifest.changelog import ImageChangelog
from builder.manifest.changelog_markdown import markdown as as_markdown
from builder.manifest.changelog_text import text
from builder.manifest.changes import Side, changelog, news_of
from builder.manifest.imported import Document
from builder.planning import sides
from builder.planning.explain import Explainer
from builder.planning.prospect import look

log = logging.getLogger(__name__)

DESCRIPTION = """\
Say what differs from A to B, by source package: what was upgraded, downgraded, added, removed or
only rebuilt, which of it is for security and what that fixes, and what needs a reboot or a new
instance. Changes of the config space, of fai-forge and of the archive's point release follow.
Images that others built can be compared where their makers list the packages. Such a list does not
say from which source a package is: then the package stands for itself.

A and B are each one of these:
  out/debian-13/20261120    the folder of a build, or its manifest
  debian-13-20261120        a build in OUT
  debian-13                 the newest build of an image in OUT
  20261120                  that build of the other side's image
  archive                   what a build of the other side's image would get now

examples:
  fai-forge diff debian-13 archive
      what a new build would change; nothing is built
  fai-forge diff debian-13-20261120 20261121 --markdown > changes.md
      the page for a release
  fai-forge diff 20261120 debian-13 --json | jq '.summary.counts.security'
      for programs; schema/changelog.schema.json says what is in it
  fai-forge diff debian-13 archive --changes
      also what the maintainers wrote, of packages whose .deb the cache has
  fai-forge diff debian-13 archive --exit-code || echo nothing new, or unknown

exit codes: 0, also where something differs; with --exit-code 5 if nothing does.
"""
NOTHING = 5
# Where there is no terminal, such as in a mail.
WIDTH = 100


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="A", help="the older side; see above")
    parser.add_argument("new", metavar="B", help="the newer side; see above")
    form = parser.add_mutually_exclusive_group()
    common.add_json(form)
    form.add_argument("--markdown", action="store_true", help="print the page for a release")
    parser.add_argument(
        "--changes", action="store_true", help="add the new entries of Debian's changelogs"
    )
    parser.add_argument(
        "--debs",
        type=Path,
        metavar="DIR",
        help="read these .debs for --changes, which it implies (default: those in the cache, which"
        " are known by their digests and so found for the archive only)",
    )
    parser.add_argument(
        "--exit-code", action="store_true", help=f"end with {NOTHING} if nothing differs"
    )
    common.add_out(parser)
    common.add_archive(parser)
    common.add_overlays(parser)


def _call(arguments: argparse.Namespace) -> int:
    if arguments.debs and not arguments.debs.is_dir():
        raise UsageError(
            f"{arguments.debs} is not a folder", hint="--debs names a folder that holds .debs"
        )
    document = _compare(arguments)
    if arguments.changes or arguments.debs:
        _tell_missing(document)
    if arguments.json:
        print(document.model_dump_json(by_alias=True, indent=2))
    else:
        _print(document, markdown=arguments.markdown)
    return NOTHING if arguments.exit_code and document.same else 0


def _compare(arguments: argparse.Namespace) -> ImageChangelog:
    project, cache = paths.project_root(), paths.cache()
    found = sides.manifests(arguments.old, arguments.new, common.builds(arguments))
    known = next(manifest for manifest in reversed(found) if manifest)
    old, new = (_side(manifest, known, arguments) for manifest in found)
    shelf = Shelf()
    if arguments.changes or arguments.debs:
        shelf = Shelf.of(arguments.debs, DebCache(cache.debs))
    file = images.read(project)
    return changelog(
        old,
        new,
        impact=file.impact.of,
        fixes=Explainer(file.advisories, project, cache.advisories).fixes(known.codename),
        news=news_of(shelf, new.packages),
    )


def _side(manifest: Document | None, known: Document, arguments: argparse.Namespace) -> Side:
    """The side of a manifest; without one, what the image of the other side would get."""
    if manifest is not None:
        return Side.of(manifest)
    ground = common.ground(arguments)
    return sides.side(look(ground, names.parse(known.name)), known.title)


def _tell_missing(document: ImageChangelog) -> None:
    kinds = ("upgraded", "rebuilt")
    if without := [
        each.name for each in document.diff.deb if not each.changes and each.kind in kinds
    ]:
        log.warning(
            "no .deb with new changelog entries is at hand of: %s (--debs names a folder)",
            ", ".join(without),
        )


def _print(document: ImageChangelog, *, markdown: bool) -> None:
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    lines: Iterable[str] = as_markdown(document) if markdown else text(document, width)
    print("\n".join(lines))


VERB = common.Verb(
    "diff",
    "say what differs between two builds, or from the archive",
    DESCRIPTION,
    _arguments,
    _call,
)
