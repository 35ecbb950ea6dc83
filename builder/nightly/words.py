# SPDX-License-Identifier: GPL-2.0-or-later
"""What page, table and screen say of a nightly in the same words."""

from __future__ import annotations

from typing import Final

from builder.nightly import exits
from builder.nightly.model import Checks, ImageRun, NightlyRun, StepRun

# The columns of an image's steps.
STEPS: Final = ("build", "boot", "publish")
NAMES: Final = {row.code: row.meaning for row in exits.WORST_FIRST}


def seconds(step: StepRun | None) -> str:
    """How long a step took, as a column has it: empty where it was not begun."""
    if step is None or step.outcome == "left-out":
        return ""
    if step.outcome == "running":
        return "…"
    if step.outcome == "kept":
        return f"{span(step.seconds)} before" if step.seconds else "before"
    return span(step.seconds)


def span(time: float) -> str:
    """A time in seconds: 7 s, 3 min 20 s, 2 h 5 min."""
    whole = round(time)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def step_of(image: ImageRun, name: str) -> StepRun | None:
    """A step of an image, if it was begun."""
    return next((each for each in image.steps if each.name == name), None)


def why(image: ImageRun) -> str:
    """Why an image was to be published or not, and what came in between."""
    tries = [each.name for each in image.steps if each.tries > 1]
    again = f"; tried twice: {', '.join(tries)}" if tries else ""
    return f"{image.reason or image.why}{again}"


def proven(image: ImageRun) -> str:
    """What checks and boots found, in one phrase; empty before a build."""
    if image.checks is None:
        return ""
    parts = [_checks(image.checks)]
    bad = [each.name for each in image.boots if each.verdict != "passed"]
    if bad:
        parts.append(f"boot by {', '.join(bad)} failed")
    elif image.boots:
        parts.append(f"boots by {', '.join(each.name for each in image.boots)}")
    return "; ".join(parts)


def counted(run: NightlyRun) -> str:
    """The images by outcome, most telling first: 2 published, 1 failed, 16 skipped."""
    order = ("published", "failed", "interrupted", "running", "waiting", "unknown", "skipped")
    outcomes = [image.outcome for image in run.images]
    found = [f"{outcomes.count(each)} {each}" for each in order if each in outcomes]
    return ", ".join(found) or "no images"


def ending(run: NightlyRun) -> str:
    """How the nightly ended, or that it did not."""
    if run.exit_code is None:
        return "it runs, or was killed"
    return f"{NAMES.get(run.exit_code, 'failed')} (exit code {run.exit_code})"


def _checks(checks: Checks) -> str:
    total = checks.passed + len(checks.failed)
    said = {True: ", packages as predicted", False: ", packages NOT as predicted", None: ""}
    return f"{checks.passed} of {total} checks passed{said[checks.as_predicted]}"
