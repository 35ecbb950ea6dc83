# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge new-class`: the folder of a new class, with an example of each thing in it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import get_args

from builder import paths, pipeline
from builder.classes import skeleton
from builder.classes.model import Kind
from builder.cli import common
from builder.errors import ForgeError
from builder.sites.outside import gather

DESCRIPTION = """\
Make the folder of a new class: class.yaml, README.md, package_config, a file and the script that
puts it in place, and tests. It is right from the start; change what you need, remove the rest.

It goes into the project's own classes/, or with --dir into classes/ of another folder, such as a
git repository of yours, which is then used with --overlay.

examples:
  fai-forge new-class MONITORED --summary "Machines that are watched"
  fai-forge new-class MONITORED --dir ../our-classes
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the class: capitals, digits and _")
    parser.add_argument(
        "--kind", choices=get_args(Kind), default="role", help="what it is (default: role)"
    )
    parser.add_argument(
        "--token", metavar="WORD", help="the word in image names (default: the name in small)"
    )
    parser.add_argument("--summary", metavar="TEXT", help="what it is for, in one line")
    parser.add_argument(
        "--requires",
        action="append",
        default=[],
        metavar="CLASS",
        help="a class that comes with it; may be given more than once",
    )
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="make DIR/classes/NAME (default: in the project)",
    )
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    project = paths.project_root()
    root = arguments.dir.absolute() if arguments.dir else project
    requires = [name for each in arguments.requires for name in each.split(",")]
    one = skeleton.sketch(
        arguments.name, arguments.kind, arguments.token, arguments.summary, requires
    )
    made = skeleton.write(one, root)
    try:
        given = [*arguments.overlay, *([] if root == project else [str(root)])]
        pipeline.catalogue(project, gather(given, arguments.site, paths.cache().overlays))
    except ForgeError:
        # It does not fit to the other classes: the token is taken, a class is unknown.
        skeleton.remove(one, root)
        raise
    if arguments.json:
        common.print_json({"class": one.name, "token": one.token, "files": made})
    else:
        _print(one, made, "" if root == project else f" --overlay {os.path.relpath(root)}")
    return 0


def _print(one: skeleton.Sketch, made: tuple[Path, ...], overlay: str) -> None:
    for path in made:
        print(f"  {os.path.relpath(path)}")
    print("\nChange what is in them, then:")
    print(f"  fai-forge validate {one.name}{overlay}")
    if one.kind == "role":
        print(f"  fai-forge build debian-13-{one.token}{overlay}")


VERB = common.Verb("new-class", "make the folder of a new class", DESCRIPTION, _arguments, _call)
