# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility add`: take a disk image into the site's own store."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder import paths
from builder.cli import common, facilities
from builder.cli.progress import progress
from builder.errors import InfrastructureError
from builder.facility import adding, disks, placing
from builder.facility.config import CUSTOM
from builder.facility.placing import PutAt
from builder.facility.site import Site
from builder.models import ARCHES
from builder.progress import Progress
from builder.store.publishing import Published

DESCRIPTION = """\
Take any qcow2 or raw disk image into the site's own store, in the channel custom, and bring it to
the targets of custom.to. It is copied, looked at by `qemu-img check`, and gets a small manifest: of
an image that others made, only its file and its origin are known.

Refused are: a qcow2 with a backing file or an external data file, whose content would be that of
other files of this machine; an encrypted or a damaged one; a file whose name says raw and whose
first bytes say qcow2, unless --format says which; and a name that an image of the project has, or
a series that sync keeps here.

examples:
  fai-forge facility add appliance.qcow2 --name appliance-1
  fai-forge facility add disk.raw --name appliance-1 --title 'Our appliance' \\
      --property os_distro=debian --property hw_firmware_type=uefi

exit codes: 0; 2 for a name or a file that may not be; 3 if the image is damaged; 4 if the store or
a target cannot be written to.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the disk image")
    parser.add_argument(
        "--name", required=True, help="the series that it belongs to, such as appliance-1"
    )
    parser.add_argument("--serial", help="YYYYMMDD or YYYYMMDD.N (default: today's next free one)")
    parser.add_argument("--title", default="", help="the name for people (default: by the name)")
    parser.add_argument("--arch", choices=tuple(ARCHES), help="(default: by the name, else amd64)")
    parser.add_argument(
        "--format", choices=disks.FORMATS, help="where the file's name and content do not agree"
    )
    parser.add_argument(
        "--property",
        action="append",
        default=[],
        metavar="K=V",
        help="what OpenStack's image service is told of it; may be given more than once",
    )
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    site = facilities.site(arguments)
    wish = adding.Wish(
        file=arguments.file,
        name=arguments.name,
        serial=arguments.serial,
        title=arguments.title,
        arch=arguments.arch,
        format=arguments.format,
        properties=adding.properties(arguments.property),
    )
    shown = progress(quiet=False)
    try:
        now = datetime.now(UTC).replace(microsecond=0)
        done = adding.add(site, wish, paths.project_root(), now, shown)
        delivered = taken(site, wish.name, done, shown)
    finally:
        shown.finish()
    if arguments.json:
        common.print_json(answer(site, wish.name, done, delivered))
    else:
        print("\n".join(lines(site, wish.name, done, delivered)))
    return code(delivered)


def taken(site: Site, name: str, done: Published, shown: Progress) -> tuple[PutAt, ...]:
    """Bring what was taken in to the targets of custom images."""
    return placing.put_all(site, site.facility.custom.to, name, done.build, shown)


def answer(site: Site, name: str, done: Published, delivered: Sequence[PutAt]) -> dict[str, Any]:
    """What became of an image, for programs."""
    return {
        "name": name,
        "serial": done.build.serial,
        "answer": done.answer,
        "channel": done.build.channel,
        "store": site.store.place.url,
        "folder": done.folder,
        "index": done.index.serial,
        "targets": delivered,
    }


def lines(site: Site, name: str, done: Published, delivered: Sequence[PutAt]) -> tuple[str, ...]:
    """What became of an image, for people."""
    where = site.store.place.root / done.folder
    there = "is in the store already" if done.answer == "unchanged" else "is in the store"
    return (
        f"{name}-{done.build.serial} {there}: {where}, channel {done.build.channel}",
        *(
            f"  {each.target}: {each.error or f'{each.answer}, {each.reference}'}"
            for each in delivered
        ),
    )


def code(delivered: Sequence[PutAt]) -> int:
    """The exit code: a target that failed is infrastructure that let us down."""
    return InfrastructureError.exit_code if any(each.error for each in delivered) else 0


VERB = common.Verb(
    "add", f"take a disk image in, as a {CUSTOM} one", DESCRIPTION, _arguments, _call
)
