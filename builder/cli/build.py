# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge build`: build one image."""

from __future__ import annotations

import argparse
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from builder import classes, names, paths, pipeline
from builder.builds import Built
from builder.cli import common, facilities, facility_add
from builder.cli.progress import progress
from builder.disk import formats
from builder.errors import UsageError
from builder.facility import uploading
from builder.install import sandbox
from builder.install.supplies import Archive
from builder.manifest import document
from builder.manifest.decision import Decision, Decisions
from builder.sites.model import OverlayEntry

DESCRIPTION = """\
Build an image and put it, its manifest and its logs into OUT/NAME/SERIAL/.

No root is needed: the build starts itself again inside namespaces of its own, and leaves nothing
behind, however it ends. The same name, serial, SOURCE_DATE_EPOCH and archive give the same bytes.

With --upload the build is then taken into the store of this machine's facility, in the channel
custom, and brought to the targets of custom.to; the overlays of facility.yaml count as well.

examples:
  fai-forge build debian-13
  fai-forge build debian-13 --format qcow2 --format vmdk
  fai-forge build debian-13-ours --overlay ../our-classes
  SOURCE_DATE_EPOCH=1763640000 fai-forge build debian-13 --serial 20261120
  fai-forge build debian-13-hypervisor --upload
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
    parser.add_argument(
        "--upload",
        action="store_true",
        help="take the build into the facility's store, and to its targets",
    )
    facilities.add_facility(parser)
    common.add_build(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    request = _request(arguments)
    if arguments.facility and not arguments.upload:
        raise UsageError("--facility says where to upload to", hint="add --upload, or leave it out")
    if not sandbox.inside():
        # Wrong usage is said before anything is set up.
        known = pipeline.catalogue(request.project, request.overlays)
        classes.resolve(known, request.name)
        sandbox.check_visible(each.path for each in request.overlays)
        if arguments.decision is not None:
            sandbox.check_visible([arguments.decision.absolute()])
        if arguments.upload:
            return _uploaded(request, arguments)
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


def _uploaded(request: pipeline.Request, arguments: argparse.Namespace) -> int:
    """Build, and take the build in: the store's key and the targets are outside of the sandbox."""
    site, name = facilities.site(arguments), str(request.name)
    uploading.refuse(site, name)
    now = datetime.now(UTC).replace(microsecond=0)
    serial = request.serial or uploading.next_serial(site, request.out, name, now)
    words = arguments.words if request.serial else [*arguments.words, "--serial", serial]
    code = sandbox.reenter(words, arch=request.name.arch, quiet=arguments.json)
    if code != 0:
        return code
    built = Built(name, serial, request.out / name / serial)
    shown = progress(quiet=False)
    try:
        done = uploading.upload(site, built, request.project, now, shown)
        delivered = facility_add.taken(site, name, done, shown)
    finally:
        shown.finish()
    if arguments.json:
        build = {"folder": built.folder, "manifest": built.manifest}
        common.print_json({**build, **facility_add.answer(site, name, done, delivered)})
    else:
        print("\n".join(facility_add.lines(site, name, done, delivered)))
    return facility_add.code(delivered)


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
        overlays=common.overlays(arguments, _site_overlays(arguments)),
        decision=_decision(arguments.decision, str(name.series)),
    )


def _site_overlays(arguments: argparse.Namespace) -> list[tuple[OverlayEntry, Path]]:
    """The overlays of the facility that the build is for."""
    if not arguments.upload:
        return []
    site = facilities.site(arguments)
    return [(entry, site.folder) for entry in site.facility.overlays]


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
