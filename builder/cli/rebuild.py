# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge rebuild`: make a published build again from its manifest, and compare."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from builder import names, repro
from builder.cli import common, repro_check
from builder.errors import CheckError, UsageError
from builder.manifest import document
from builder.manifest.model import Manifest

DESCRIPTION = """\
Build an image again from the manifest of a build, and say whether the files are the same, bit for
bit. Its serial, its time and its formats are used again. The manifest is enough: of builds that
expired it is all that a store keeps.

The same files come from the same classes and the same packages. So check out the commit that the
manifest names (build.commits), give the same overlays, and with --mirror an archive that has the
packages of that day: {date} in it is the time of the build, as snapshots of archives are named. An
archive that is the same as then may be left out. What was not the same is listed.

examples:
  fai-forge rebuild debian-13-20261121.manifest.json
  fai-forge rebuild debian-13-20261121.manifest.json --mirror http://mirror.example.org/{date}
  fai-forge rebuild debian-13-20261121.manifest.json --out again
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="the manifest document")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="keep what is built in DIR/NAME/SERIAL/"
    )
    common.add_archive(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    first = _comparable(document.load(arguments.manifest))
    name = names.parse(first.name)
    then = argparse.Namespace(**{**vars(arguments), **_mirrors(arguments, first)})
    with (
        nullcontext(arguments.out.absolute())
        if arguments.out
        else tempfile.TemporaryDirectory(prefix="fai-forge-rebuild-", dir=repro_check.roomy())
    ) as folder:
        built = repro_check.build_again(then, name, Path(folder), "auto", first)
        second = document.load(built.manifest)
    return _report(arguments, first, second)


def _mirrors(arguments: argparse.Namespace, manifest: Manifest) -> dict[str, str | None]:
    """The mirrors that were asked for, with the time of the build in place of {date}."""
    given = {name: getattr(arguments, name) for name in ("mirror", "security_mirror")}
    date = f"{manifest.build.date:%Y%m%dT%H%M%SZ}"
    return {name: url and url.replace("{date}", date) for name, url in given.items()}


def _comparable(manifest: Manifest) -> Manifest:
    """The manifest with those files only that a second build can give again."""
    files = tuple(file for file in manifest.files if file.reproducible)
    if not files:
        raise UsageError(
            f"no file of {manifest.name}-{manifest.serial} can be made again bit for bit",
            hint="its manifest says so; build raw or qcow2",
        )
    return manifest.model_copy(update={"files": files})


def _report(arguments: argparse.Namespace, first: Manifest, second: Manifest) -> int:
    verdicts = repro.compare(first, second)
    same = all(verdict.same for verdict in verdicts)
    inputs = repro.input_changes(first, second)
    packages = repro.package_changes(first, second)
    if arguments.json:
        common.print_json(
            {
                "name": first.name,
                "serial": first.serial,
                "same": same,
                "files": verdicts,
                "inputs": inputs,
                "packages": packages,
            }
        )
    else:
        repro_check.show(verdicts)
    if same:
        return 0
    for line in (*inputs, *(f"package {each}" for each in packages)):
        print(line, file=sys.stderr)
    raise CheckError(
        f"{first.name}-{first.serial} was not made again", hint=_advice(first, inputs, packages)
    )


def _advice(first: Manifest, inputs: tuple[str, ...], packages: tuple[str, ...]) -> str:
    """What to do about a difference, by where it came from."""
    if inputs:
        commits = [
            f"{each.overlay} at {each.commit or 'no commit'}" for each in first.build.commits
        ]
        return f"it was built from other classes: {', '.join(commits) or 'no commit is known'}"
    if packages:
        day = f"{first.build.date:%Y-%m-%d %H:%M}"
        return f"give with --mirror an archive that has the packages of {day} UTC"
    return f"fai-forge repro-check {first.name} finds the files that differ"


VERB = common.Verb(
    "rebuild", "make a published build again and compare", DESCRIPTION, _arguments, _call
)
