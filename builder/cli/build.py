# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge build`: build one image."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from pydantic import ValidationError

from builder import classes, names, paths, pipeline
from builder.cli import common
from builder.cli.progress import progress
from builder.disk import formats
from builder.errors import UsageError
from builder.install import sandbox
from builder.install.supplies import Archive
from builder.manifest import document
from builder.manifest.decision import Decision, Decisions

DESCRIPTION = """\
Build an image and put it, its manifest and its logs into OUT/NAME/SERIAL/.

No root is needed: the build starts itself again inside namespaces of its own, and leaves nothing
behind, however it ends. The same name, serial, SOURCE_DATE_EPOCH and archive give the same bytes.

examples:
  fai-forge build debian-13
  fai-forge build debian-13 --format qcow2 --format vmdk
  fai-forge build debian-13-ours --overlay ../our-classes
  SOURCE_DATE_EPOCH=1763640000 fai-forge build debian-13 --serial 20261120
"""
# The year 2106: what FAT and gzip can hold ends about there. Milliseconds are beyond.
LAST_EPOCH = (1 << 32) - 1


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the image, such as debian-13")
    parser.add_argument(
        "--format",
        action="append",
        choices=tuple(formats.FORMATS),
        metavar="FORMAT",
        help=f"may be given more than once: {', '.join(formats.FORMATS)}",
    )
    parser.add_argument("--serial", help="YYYYMMDD or YYYYMMDD.N (default: today's next free one)")
    parser.add_argument(
        "--decision",
        type=Path,
        metavar="FILE",
        help="what `fai-forge plan --json` printed: why this image is built, for its manifest",
    )
    common.add_build(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    request = _request(arguments)
    if not sandbox.inside():
        # Wrong usage is said before anything is set up.
        known = pipeline.catalogue(request.project, request.overlays)
        classes.resolve(known, request.name)
        sandbox.check_visible(each.path for each in request.overlays)
        if arguments.decision is not None:
            sandbox.check_visible([arguments.decision.absolute()])
        return sandbox.reenter(arguments.words, arch=request.name.arch)
    shown = progress(quiet=False)
    try:
        result = pipeline.build(request, shown)
    finally:
        shown.finish()
    manifest = document.load(result.built.manifest)
    if arguments.json:
        common.print_json(
            {
                "name": result.built.name,
                "serial": result.built.serial,
                "folder": result.built.folder,
                "files": [each.model_dump(by_alias=True) for each in manifest.files],
                "manifest": result.built.manifest,
                "seconds": result.seconds,
                "downloadedBytes": result.downloaded_bytes,
            }
        )
        return 0
    print(f"{result.built}: {manifest.title}, {len(manifest.packages)} packages")
    for each in manifest.files:
        print(f"  {result.built.folder / each.name}  {each.size / 1e6:.0f} MB")
    print(f"  {result.built.manifest}")
    return 0


def _request(arguments: argparse.Namespace) -> pipeline.Request:
    name = names.parse(arguments.name)
    serial = arguments.serial
    if name.tag is not None:
        raise UsageError(
            f"{name} names a promoted build", hint=f"build {name.series}, or pull {name}"
        )
    if name.serial is not None:
        if serial not in (None, name.serial):
            raise UsageError(f"{name} and --serial {serial} contradict each other")
        serial = name.serial
    if serial is not None:
        names.serial_key(serial)
    return pipeline.Request(
        name=name.series,
        out=Path(arguments.out).absolute(),
        archive=Archive(paths.cache(), arguments.mirror, arguments.security_mirror, name.distro),
        project=paths.project_root(),
        formats=tuple(dict.fromkeys(arguments.format or ())),
        serial=serial,
        epoch=_epoch(),
        workspace=arguments.workspace,
        overlays=common.overlays(arguments),
        decision=_decision(arguments.decision, str(name.series)),
    )


def _decision(path: Path | None, name: str) -> Decision | None:
    """The decision about an image in the answer of `plan --json`."""
    if path is None:
        return None
    try:
        answer = Decisions.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{path} is not what `fai-forge plan --json` prints", hint=str(error)
        ) from error
    found = [each for each in answer.decisions if each.name == name]
    if not found:
        raise UsageError(f"{path} has no decision about {name}", hint=f"fai-forge plan {name}")
    return found[0]


def _epoch() -> int | None:
    """SOURCE_DATE_EPOCH, if it is set."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        return None
    if re.fullmatch("[0-9]{1,10}", given) is None or int(given) > LAST_EPOCH:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is not a number of seconds since 1970: {given!r}",
            hint="set it to what `date +%s` prints, or unset it",
        )
    return int(given)


VERB = common.Verb("build", "build an image", DESCRIPTION, _arguments, _call)
