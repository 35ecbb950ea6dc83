# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks and the boots of a build found: as JUnit for programs, as a page for people.

The checks are in the manifest, and each boot left its own files and the report of all beside the
image; who booted it has made the page, too.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from builder.guest.reports import page, report
from builder.manifest.model import Manifest


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


def reports(manifest: Manifest, folder: Path) -> Mapping[str, bytes]:
    """The files to put beside an image, by name; `folder` is that of the build."""
    stem = f"{manifest.name}-{manifest.serial}"
    boots = report.load(folder / f"{stem}{report.SUFFIX}")
    subject = page.Subject(stem, manifest.title, manifest.arch, manifest)
    made = page.render(subject, manifest.checks, boots, folder)
    return {
        f"{stem}.checks.xml": checks_junit(manifest),
        f"{stem}{page.SUFFIX}": made.encode(),
    }
