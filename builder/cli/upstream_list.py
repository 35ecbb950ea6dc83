# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream list`: which distributions' images are known, and who vouches for them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from builder.cli import common, upstreams
from builder.upstream import listing
from builder.upstream.listing import Row

DESCRIPTION = """\
Show the sources: the images of each, how the newest version is found, and who signs it. Nobody is
asked, so of a source that finds its releases out only their number is known.

examples:
  fai-forge upstream list
  fai-forge upstream list --upstreams our-upstreams --json
"""
HEADINGS = ("SOURCE", "IMAGES", "ON", "INDEX", "KEEPS", "SIGNED")


def _arguments(parser: argparse.ArgumentParser) -> None:
    upstreams.add_sources(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    found = listing.rows(upstreams.sources(arguments))
    if arguments.json:
        common.print_json([_plain(row) for row in found])
    else:
        print("\n".join(lines(found)))
    return 0


def lines(found: Sequence[Row]) -> list[str]:
    """The table that is printed."""
    rows = [
        (
            row.source,
            " ".join(row.images),
            " ".join(row.arches),
            row.index,
            str(row.keep),
            f"the {row.signed}, by {row.keys[0][-16:]}" if row.signed else f"no: {row.unsigned}",
        )
        for row in found
    ]
    return common.table(HEADINGS, rows) if rows else ["there is no source"]


def _plain(row: Row) -> Mapping[str, Any]:
    return {
        "name": row.source,
        "file": str(row.path),
        "images": row.images,
        "arches": row.arches,
        "index": row.index,
        "keep": row.keep,
        "signed": row.signed or None,
        "keys": row.keys,
        "unsigned": row.unsigned or None,
    }


VERB = common.Verb("list", "which distributions are known", DESCRIPTION, _arguments, _call)
