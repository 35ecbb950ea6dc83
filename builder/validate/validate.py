# SPDX-License-Identifier: GPL-2.0-or-later
"""All checks of all classes, in order: files, scripts, how they fit together, packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.classes import Overlay, outside_overlays, own_overlays
from builder.classes.model import FIRST, LAST
from builder.configspace import BASE
from builder.errors import UsageError
from builder.install.supplies import Archive
from builder.names import did_you_mean
from builder.progress import Progress
from builder.sites.outside import Outside
from builder.validate import classes, layout, packages, scripts
from builder.validate.finding import Finding


@dataclass(frozen=True)
class Report:
    """What was found, and what was not looked at, with the reason.

    `checked` are the folders; `asked` are the images whose archives were asked for packages;
    `silent` are those that could not be, each with the reason.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    asked: tuple[str, ...]
    silent: Mapping[str, str]
    left_out: tuple[str, ...]


def validate(
    project: Path,
    outside: Sequence[Outside],
    names: Sequence[str],
    archive: Archive | None,
    progress: Progress,
) -> Report:
    """Check the classes `names`, or all; without `archive`, packages are not looked for."""
    overlays = [*own_overlays(project)]
    for each in outside:
        overlays += outside_overlays(each)
    base = project / "fai-config"
    chosen = _chosen(overlays, names)

    progress.stage("Reading the classes")
    catalogue, found = classes.read(overlays)
    folders = [Overlay(BASE, base), *chosen] if not names else chosen
    for overlay in folders:
        found += layout.check(overlay, catalogue)
        if overlay.name != BASE:
            found += classes.tests(overlay)

    progress.stage("Checking the scripts")
    programs = [script for overlay in folders for script in scripts.scripts_of(overlay)]
    found += scripts.check(programs, progress.update)

    progress.stage("Combining the classes")
    found += classes.fit(base, catalogue, progress.update)

    left_out = []
    if scripts.SHELLCHECK.path() is None:
        left_out.append("shellcheck is not installed, so only bash looked at the scripts")
    answer = packages.Answer((), (), {})
    if archive is None:
        left_out.append("packages were not looked for in the archives")
    elif any(each.check in (classes.SCHEMA, classes.REFERENCES) for each in found):
        left_out.append("packages are looked for when the class files are right")
    else:
        progress.stage("Asking the archives for packages")
        wanted = [overlay.fai_class for overlay in chosen]
        plans, complaints = packages.plan(catalogue, tuple(dict.fromkeys(wanted)))
        answer = packages.ask(plans, archive, progress)
        found += [*complaints, *answer.findings]
    # Two checks may see the same.
    unique = {(str(each.path), each.line, each.sentence): each for each in found}
    return Report(
        tuple(unique[key] for key in sorted(unique)),
        tuple(overlay.name for overlay in folders),
        answer.asked,
        answer.silent,
        tuple(left_out),
    )


def _chosen(overlays: Sequence[Overlay], names: Sequence[str]) -> list[Overlay]:
    """The folders of the classes that were asked for."""
    known = {overlay.fai_class for overlay in overlays} - {FIRST, LAST}
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no class {name}{did_you_mean(name, known)}",
                hint="a class is a folder in classes/; give an overlay's with --overlay DIR",
            )
    return [overlay for overlay in overlays if not names or overlay.fai_class in names]
