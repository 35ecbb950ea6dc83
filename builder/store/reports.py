# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks and the boots of a build found: as JUnit for programs, as a page for people.

The checks are in the manifest; each boot left a JUnit file of its own beside the image.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from builder import templates
from builder.guest.verdict import TestResult, read_junit
from builder.manifest.model import Manifest, Verdict

TEMPLATE = "report.html.j2"
# Logs that a boot leaves beside the image, by the firmware that it was booted with.
LOGS = ("console-{}.log", "boot-{}.log", "boot-{}.xml")


@dataclass(frozen=True)
class Boot:
    """A boot as the page shows it; `logs` are names of files beside the image."""

    verdict: Verdict
    tests: tuple[TestResult, ...]
    logs: tuple[str, ...]


def checks_junit(manifest: Manifest) -> bytes:
    """The checks of the finished tree as a JUnit document."""
    failed = [each for each in manifest.checks if each.verdict != "passed"]
    suite = ET.Element(
        "testsuite",
        name=f"{manifest.name}-{manifest.serial}",
        tests=str(len(manifest.checks)),
        failures=str(len(failed)),
        timestamp=manifest.build.date.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    for each in manifest.checks:
        case = ET.SubElement(suite, "testcase", classname="checks", name=each.name)
        if each in failed:
            ET.SubElement(case, "failure", message=each.detail)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def page(manifest: Manifest, folder: Path) -> bytes:
    """The page about all checks and boots; `folder` is that of the build, with the boots' files."""
    boots = [_boot(each, folder) for each in manifest.boots]
    wrong = [each for each in (*manifest.checks, *manifest.boots) if each.verdict != "passed"]
    text = _template().render(manifest=manifest, boots=boots, wrong=wrong)
    return text.encode()


def reports(manifest: Manifest, folder: Path) -> Mapping[str, bytes]:
    """The files to put beside an image, by name."""
    stem = f"{manifest.name}-{manifest.serial}"
    return {
        f"{stem}.checks.xml": checks_junit(manifest),
        f"{stem}.report.html": page(manifest, folder),
    }


def _boot(verdict: Verdict, folder: Path) -> Boot:
    junit = folder / f"boot-{verdict.name}.xml"
    tests: Sequence[TestResult] = ()
    if junit.is_file():
        _, tests = read_junit(junit.read_text(encoding="utf-8"))
    logs = (log.format(verdict.name) for log in LOGS)
    return Boot(verdict, tuple(tests), tuple(log for log in logs if (folder / log).is_file()))


@cache
def _template() -> jinja2.Template:
    return templates.markup(Path(__file__).parent).get_template(TEMPLATE)
