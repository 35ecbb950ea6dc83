# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge repro-check`: build again, compare every byte, name what differs."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from builder import names, paths, repro
from builder.builds import Builds, Built
from builder.cli import common
from builder.errors import CheckError, UsageError
from builder.install import sandbox
from builder.install.supplies import Archive
from builder.manifest import document
from builder.manifest.model import Manifest

DESCRIPTION = """\
Build an image twice, in different folders, once in memory and once on disk, and compare the
results bit for bit. On a difference, the differing files are listed by path.

With --against, build once and compare with a build that exists, made by somebody else perhaps, on
another machine or another Debian: its serial and its time are used again.

examples:
  fai-forge repro-check debian-13
  fai-forge repro-check debian-13 --against /srv/elsewhere/debian-13/20261120
"""
FORMATS = ("raw", "qcow2")
# Differences beyond this many say nothing new.
SHOWN = 50


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the image, such as debian-13")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="a folder OUT/NAME/SERIAL to compare with"
    )
    # How the second half of this verb finds its way back into the sandbox.
    parser.add_argument("--list-differences", nargs=2, type=Path, help=argparse.SUPPRESS)
    common.add_archive(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    name = names.parse(arguments.name).series
    if arguments.list_differences:
        return _list_differences(str(name), arguments)
    with tempfile.TemporaryDirectory(prefix="fai-forge-repro-", dir=roomy()) as folder:
        if arguments.against:
            first = _given(str(name), arguments.against)
        else:
            first = build_again(arguments, name, Path(folder, "first"), "memory", None)
        known = document.load(first.manifest)
        second = build_again(arguments, name, Path(folder, "elsewhere", "second"), "disk", known)
        return _report(arguments, first, second)


def roomy() -> Path:
    """Where two raw disks fit: the cache's file system, never a /tmp in memory."""
    root = paths.cache().root
    root.mkdir(parents=True, exist_ok=True)
    return root


def _given(name: str, folder: Path) -> Built:
    built = Built(name, folder.absolute().name, folder.absolute())
    if not built.manifest.exists():
        raise UsageError(
            f"{folder} holds no build of {name}", hint=f"expected is {built.manifest.name} in it"
        )
    return built


def build_again(
    arguments: argparse.Namespace,
    name: names.Name,
    out: Path,
    workspace: str,
    known: Manifest | None,
) -> Built:
    """Build in the sandbox; with `known`, as that build was made."""
    formats = [each.format for each in known.files] if known else list(FORMATS)
    argv = ["build", str(name), "--out", str(out), "--workspace", workspace]
    argv += [word for each in formats for word in ("--format", each)]
    argv += ["--mirror", arguments.mirror] if arguments.mirror else []
    argv += ["--security-mirror", arguments.security_mirror] if arguments.security_mirror else []
    argv += [word for each in arguments.overlay for word in ("--overlay", each)]
    argv += ["--site", str(arguments.site)] if arguments.site else []
    argv += ["--serial", known.serial] if known else []
    env = {"SOURCE_DATE_EPOCH": str(known.build.source_date_epoch)} if known else {}
    print(f"building: fai-forge {shlex.join(argv)}", file=sys.stderr)
    # The builds' own answers would mix with ours.
    if code := sandbox.reenter(argv, arch=name.arch, env=env, quiet=True):
        raise SystemExit(code)
    return Builds(out).of(str(name))[-1]


def _report(arguments: argparse.Namespace, first: Built, second: Built) -> int:
    one, two = document.load(first.manifest), document.load(second.manifest)
    verdicts = repro.compare(one, two)
    same = all(verdict.same for verdict in verdicts)
    changes = repro.package_changes(one, two)
    if arguments.json:
        answer: dict[str, Any] = {
            "name": one.name,
            "serial": one.serial,
            "same": same,
            "files": [
                {"name": each.name, "first": each.first, "second": each.second} for each in verdicts
            ],
            "packages": changes,
        }
        common.print_json(answer)
    else:
        show(verdicts)
    if same:
        return 0
    for line in changes:
        print(f"package {line}", file=sys.stderr)
    if all(built.file(f".{repro.RAW}").exists() for built in (first, second)):
        pair = ["--list-differences", str(first.folder), str(second.folder)]
        sandbox.reenter(["repro-check", one.name, *pair])
    raise CheckError(
        f"two builds of {one.name} are not the same",
        hint="the packages differ: the archive changed in between; try again"
        if changes
        else "find what wrote the files listed above, and make it independent of time and order",
    )


def show(verdicts: Iterable[repro.FileVerdict]) -> None:
    """Print which files are the same, and both digests of the others."""
    for each in verdicts:
        print(f"{'same  ' if each.same else 'DIFFER'}  {each.first}  {each.name}")
        if not each.same:
            print(f"        {each.second}")


def _list_differences(name: str, arguments: argparse.Namespace) -> int:
    """Inside the sandbox: print what differs in the raw disks."""
    first, second = (_given(name, folder) for folder in arguments.list_differences)
    found = repro.differences(first, second, Archive(paths.cache()))
    for each in found[:SHOWN]:
        print(f"{each.partition}: {each.path or '(not in a file)'}: {each.what}", file=sys.stderr)
    if len(found) > SHOWN:
        print(f"... and {len(found) - SHOWN} more", file=sys.stderr)
    return 0


VERB = common.Verb(
    "repro-check", "build twice and compare bit for bit", DESCRIPTION, _arguments, _call
)
