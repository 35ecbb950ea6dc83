# SPDX-License-Identifier: GPL-2.0-or-later
"""The page about an image's boots, and about the checks of its tree: one file without any other.

Links lead to the logs beside it; the picture of a failed boot is in it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import jinja2

from builder import templates
from builder.guest.reports.report import Boot, Report
from builder.manifest.model import Manifest, Verdict

SUFFIX: Final = ".report.html"
TEMPLATE: Final = "page.html.j2"


@dataclass(frozen=True)
class Subject:
    """What the page is about: the build or file, its title; `manifest` is None for a file."""

    stem: str
    title: str
    arch: str
    manifest: Manifest | None = None


@dataclass(frozen=True)
class Row:
    """A boot in the table at the top; `boot` is None where only its verdict is known."""

    name: str
    verdict: str
    detail: str
    log: str | None
    boot: Boot | None


def render(subject: Subject, checks: Sequence[Verdict], report: Report | None, folder: Path) -> str:
    """The page; `folder` is where the picture of a failed boot lies."""
    boots = report.boots if report else ()
    remembered = subject.manifest.boots if subject.manifest else ()
    rows = [Row(boot.name, boot.verdict, counted(boot), None, boot) for boot in boots]
    there = {boot.name for boot in boots}
    rows += [
        Row(each.name, each.verdict, each.detail, each.log, None)
        for each in remembered
        if each.name not in there
    ]
    wrong = {
        "check": sum(each.verdict != "passed" for each in checks),
        "boot": sum(row.verdict != "passed" for row in rows),
    }
    return _template().render(
        subject=subject,
        checks=checks,
        rows=rows,
        boots=boots,
        failed=any(wrong.values()),
        told=_summary({"check": len(checks), "boot": len(rows)}, wrong),
        pictures={
            boot.name: _picture(folder / boot.screenshot) for boot in boots if boot.screenshot
        },
    )


def _summary(numbers: Mapping[str, int], wrong: Mapping[str, int]) -> str:
    """All verdicts in one sentence: "1 of 3 boots failed, 40 checks passed."."""
    bad = [
        f"{wrong[what]} of {_count(numbers[what], what)} failed" for what in wrong if wrong[what]
    ]
    good = [
        f"{_count(numbers[what], what)} passed"
        for what in numbers
        if numbers[what] and not wrong[what]
    ]
    never = [] if numbers["boot"] else ["it was not booted"]
    return f"{', '.join([*bad, *good, *never])}."


def counted(boot: Boot) -> str:
    """A boot in a few words: "24 of 26 tests passed, 1 known issue, under tcg, at try 2"."""
    if boot.cause:
        what = "no test could run"
    else:
        what = f"{len(boot.of('passed'))} of {_count(len(boot.tests), 'test')} passed"
        known = len(boot.of("known"))
        what += f", {_count(known, 'known issue')}" if known else ""
    again = "" if boot.tries == 1 else f", at try {boot.tries}"
    return f"{what} under {boot.accel}{again}"


def span(seconds: float) -> str:
    """Seconds for people: 0.4 s, 42 s, 2 min 5 s, 1 h 2 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _picture(path: Path) -> str:
    """A picture as a data URL; empty where it is none that browsers show."""
    try:
        content = path.read_bytes() if path.suffix == ".png" else b""
    except OSError:
        return ""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}" if content else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


@cache
def _template() -> jinja2.Template:
    environment = templates.markup(Path(__file__).parent)
    environment.filters |= {"count": _count, "span": span}
    return environment.get_template(TEMPLATE)
