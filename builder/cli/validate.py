# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge validate`: are the classes right?"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from builder import paths
from builder.cli import common
from builder.cli.progress import progress
from builder.errors import InfrastructureError, UsageError
from builder.install.supplies import Archive
from builder.validate.finding import Finding
from builder.validate.validate import Report, validate

DESCRIPTION = """\
Check classes before an image is built of them: class.yaml and its kin, files that FAI would never
read, scripts that bash or shellcheck reject, classes and overlays that do not fit together, and
packages that the archives of their releases do not have.

Without a CLASS all are checked: the project's and those of overlays. The exit code is 2 if anything
is wrong, 4 if nothing is but an archive could not be asked.

examples:
  fai-forge validate
  fai-forge validate --offline
  fai-forge validate OURS --overlay ../our-classes
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="*", metavar="CLASS", help="the class, such as HYPERVISOR")
    parser.add_argument(
        "--offline", action="store_true", help="do not look for packages in the archives"
    )
    common.add_overlays(parser)
    common.add_archive(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    archive = Archive(paths.cache(), arguments.mirror, arguments.security_mirror)
    shown = progress(quiet=False)
    try:
        report = validate(
            paths.project_root(),
            common.overlays(arguments),
            arguments.name,
            None if arguments.offline else archive,
            shown,
        )
    finally:
        shown.finish()
    if arguments.json:
        common.print_json(_answer(report))
    else:
        _print(report)
    if report.findings:
        return UsageError.exit_code
    return InfrastructureError.exit_code if report.silent else 0


def _answer(report: Report) -> dict[str, object]:
    return {
        "findings": [
            {
                "check": each.check,
                "file": each.path,
                "line": each.line or None,
                "message": each.sentence,
                "hint": each.hint,
            }
            for each in report.findings
        ],
        "checked": report.checked,
        "archivesAsked": report.asked,
        "archivesSilent": dict(report.silent),
        "leftOut": report.left_out,
    }


def _print(report: Report) -> None:
    for each in report.findings:
        print(f"{_shown(each)}: {each.sentence}")
        for line in each.hint.splitlines():
            print(f"    {line}")
    for why in dict.fromkeys(report.silent.values()):
        names = ", ".join(name for name, reason in report.silent.items() if reason == why)
        print(f"not asked: {names}: {why}", file=sys.stderr)
    for what in report.left_out:
        print(f"left out: {what}", file=sys.stderr)
    folders, archives = len(report.checked), len(report.asked)
    verdict = _count(len(report.findings), "finding") if report.findings else "nothing is wrong"
    print(f"{_count(folders, 'folder')} checked, {_count(archives, 'archive')} asked: {verdict}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _shown(finding: Finding) -> str:
    """The place, relative to the present folder where it is below it."""
    here = Path.cwd()
    return os.path.relpath(finding.place) if finding.path.is_relative_to(here) else finding.place


VERB = common.Verb("validate", "check the classes", DESCRIPTION, _arguments, _call)
