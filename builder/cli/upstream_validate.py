# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream validate`: are the files of upstreams right?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.cli import common, upstreams
from builder.documents import DocumentError
from builder.errors import UsageError
from builder.upstream import validating
from builder.upstream.catalogue import SCHEMA, SUFFIX

DESCRIPTION = f"""\
Check the files that say where distributions publish their images: all that is wrong in all of them,
with its file and line. Nobody is asked, so whether the names are still right at the servers only
`upstream check` tells. {SCHEMA} is the same for editors.

examples:
  fai-forge upstream validate
  fai-forge upstream validate our-upstreams/ours.yaml
  fai-forge upstream validate --upstreams our-upstreams --json

exit codes: 0; 2 if something is wrong.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="a file (default: all of the project's, and of --upstreams)",
    )
    upstreams.add_sources(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    files = arguments.files or [
        path
        for folder in upstreams.folders(arguments)
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    ]
    found = [flaw for path in files for flaw in validating.flaws(path)]
    if arguments.json:
        common.print_json({"checked": [str(path) for path in files], "findings": _plain(found)})
    else:
        print("\n".join(lines(found, len(files))))
    return UsageError.exit_code if found else 0


def lines(found: Sequence[DocumentError], checked: int) -> Iterator[str]:
    """What is wrong, a line and its hint for each, and a line that sums it up."""
    for each in found:
        yield f"{each.path}:{each.line or 1}: {each.sentence}"
        yield f"    {each.hint}"
    yield f"files: {checked}, wrong: {len({each.path for each in found})}"


def _plain(found: Sequence[DocumentError]) -> list[dict[str, object]]:
    return [
        {
            "file": str(each.path),
            "line": each.line or None,
            "message": each.sentence,
            "hint": each.hint,
        }
        for each in found
    ]


VERB = common.Verb("validate", "are their files right?", DESCRIPTION, _arguments, _call)
