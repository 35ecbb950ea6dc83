# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge configspace`: an image's config space, for FAI without this program."""

from __future__ import annotations

import argparse
from pathlib import Path

from builder import classes, names, paths, plainfai
from builder.cli import common

DESCRIPTION = """\
Write the config space of an image into a folder: the base and the classes' overlays merged, as a
build gives it to FAI, with the list of classes in it. FAI's own programs read it without fai-forge:

  fai-forge configspace debian-13-hypervisor -o /srv/space
  fai --verbose --new --hostname debian --cspace file:///srv/space dirinstall /srv/tree

docs/plain-fai.md tells the rest.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the image, such as debian-13")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="a new or empty folder"
    )
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    known = common.catalogue(arguments)
    spec = classes.resolve(known, names.parse(arguments.name).series)
    folder = arguments.output.absolute()
    written = plainfai.write(paths.project_root() / "fai-config", known, spec, folder)
    if arguments.json:
        common.print_json(
            {
                "name": str(spec.name),
                "folder": folder,
                "classes": spec.classes,
                "digest": written.config.digest,
                "files": [
                    {"path": each.path, "overlay": each.overlay} for each in written.config.origins
                ],
                "added": written.added,
            }
        )
        return 0
    print(f"{folder}: {spec.name}, {len(written.config.origins)} files")
    print(f"  and for plain FAI: {', '.join(written.added)}")
    print(f"  classes: {' '.join(spec.classes)}")
    return 0


VERB = common.Verb(
    "configspace", "write an image's config space for plain FAI", DESCRIPTION, _arguments, _call
)
