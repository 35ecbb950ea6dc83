# SPDX-License-Identifier: GPL-2.0-or-later
"""A boot as lines of text: its verdict, then what a person has to know about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from builder.guest.boot import DISK
from builder.guest.containers import CONTAINER, TREE
from builder.guest.reports.page import counted, span
from builder.guest.reports.report import Boot, Test
from builder.guest.trials import Outcome, Trial

INDENT = " " * 8


def lines(boot: Boot) -> Iterator[str]:
    """All that a person has to know; of a boot that passed and changed nothing, one line."""
    word = "passed" if boot.ok else "FAILED"
    yield f"{word}  {boot.name:<11} {counted(boot)} in {span(boot.seconds)}"
    for line in boot.cause.splitlines():
        yield f"{INDENT}{line}"
    for test in boot.of("failed"):
        yield from _failure(test)
    for test in boot.of("known"):
        yield f"{INDENT}known: {test.name}{_since(test)}"
        yield from _issue(test)
    for test in boot.hopeful():
        yield f"{INDENT}may be fixed: {test.name} passed"
        yield from _issue(test)
    for test in boot.changed("fixed"):
        yield f"{INDENT}{test.name}{_since(test)}"
    if not boot.ok:
        yield f"{INDENT}repeat it: {boot.command}"


def kept(outcome: Outcome, trials: Sequence[Trial], arch: str) -> Iterator[str]:
    """How to look into each guest whose folder was kept."""
    for trial in trials:
        folder = outcome.kept.get(trial.kind)
        if folder is None:
            continue
        if trial.kind == CONTAINER:
            yield f"the tree of the container is kept: {folder / TREE}"
            yield f"{INDENT}and remove it as root: {shlex.join(['rm', '-r', str(folder)])}"
            continue
        words = ["fai-forge", "run", str(folder / DISK), "--arch", arch, "--firmware", trial.kind]
        words += ["--login", trial.login]
        yield f"the disk of the {trial.kind} guest is kept; boot it with: {shlex.join(words)}"
        yield f"{INDENT}and remove it with: {shlex.join(['rm', '-r', str(folder)])}"


def _failure(test: Test) -> Iterator[str]:
    yield f"{INDENT}{test.name}{_since(test)}"
    for line in reason(test.message):
        yield f"{INDENT}  {line}"
    if test.issue:
        yield f"{INDENT}  it was a known issue, whose day is over:"
        yield from _issue(test)


def _issue(test: Test) -> Iterator[str]:
    if test.issue:
        issue = test.issue
        yield f"{INDENT}  {issue.reason} (until {issue.expires}, {issue.tracker})"


def _since(test: Test) -> str:
    return f": {test.change.phrase}" if test.change else ""


def reason(message: str) -> list[str]:
    """The lines of a failure that say what was wrong: pytest marks them with an E."""
    marked = [line[1:].strip() for line in message.splitlines() if line.startswith("E ")]
    return marked[:5] or message.strip().splitlines()[-1:]
