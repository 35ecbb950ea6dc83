# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge plan`: which images must be published anew, and why."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from builder import images, names, paths
from builder.cli import common
from builder.cli.progress import progress
from builder.errors import UsageError
from builder.manifest.decision import Decision, Decisions, Reason
from builder.planning.explain import Explainer
from builder.planning.plan import plan
from builder.planning.published import FolderStore, open_store
from builder.planning.record import RECORDS, Record
from builder.policy.phrases import summary
from builder.store.memory import Memory

DESCRIPTION = """\
Say which images must be published anew, and why. Nothing is built: the package set that a build
would get now is compared with the newest manifest in the store, and the image's policy (in
images.yaml) decides. The answer is publish, skip, or unknown where the archive or the store cannot
be read; unknown is never taken for "nothing changed".

examples:
  fai-forge plan debian-13
  fai-forge plan --all --explain
  fai-forge plan --all --store /srv/images --keyring images.gpg --json
  fai-forge plan debian-13 --exit-code && fai-forge build debian-13

exit codes: 0, and 6 if an image is unknown; with --exit-code also 5 if none is to be published.
"""
NOTHING, UNKNOWN = 5, 6
HEADINGS = ("IMAGE", "PUBLISHED", "AGE", "DECISION", "WHY")
# No column of reasons is narrower, however narrow the terminal.
SHORTEST_WHY = 20


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="an image, such as debian-13")
    parser.add_argument("--all", action="store_true", help="all images of images.yaml")
    parser.add_argument(
        "--store", metavar="DIR|URL", help="where images are published (default: OUT)"
    )
    parser.add_argument(
        "--keyring", metavar="FILE", type=Path, help="public keys that verify a signed store"
    )
    parser.add_argument("--explain", action="store_true", help="say every reason, with its rule")
    parser.add_argument(
        "--exit-code", action="store_true", help="end with 5 if nothing is to be published"
    )
    parser.add_argument(
        "--force", action="store_true", help="publish whatever changed, if the archive is known"
    )
    parser.add_argument(
        "--record",
        metavar="DIR",
        type=Path,
        help=f"keep the decisions in this folder (default: STORE/{RECORDS}, and OUT/{RECORDS} for a"
        " signed store); see fai-forge why",
    )
    parser.add_argument("--no-record", action="store_true", help="keep no decision")
    common.add_out(parser)
    common.add_archive(parser)
    common.add_overlays(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    project = paths.project_root()
    file = images.read(project)
    ground = common.ground(arguments)
    wanted = _names(arguments, file)
    now = datetime.now(UTC).replace(microsecond=0)
    store = open_store(
        arguments.store or str(arguments.out),
        arguments.keyring,
        Memory(paths.cache().stores),
        now,
        must_exist=arguments.store is not None,
    )
    explainer = Explainer(file.advisories, project, paths.cache().advisories)
    shown = progress(quiet=False)
    try:
        decisions = plan(
            ground, file, wanted, store, explainer, shown, now=now, forced=arguments.force
        )
    finally:
        shown.finish()
    if arguments.json:
        print(dumped(decisions))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(table(decisions, width, explain=arguments.explain)))
    if not arguments.no_record:
        # Nothing that nobody signed goes into a signed store.
        beside = store.root if isinstance(store, FolderStore) else arguments.out.absolute()
        record = Record(arguments.record or beside / RECORDS)
        for decision in decisions:
            record.add(decision)
    return _exit_code(decisions, tell=arguments.exit_code)


def dumped(decisions: Sequence[Decision]) -> str:
    """Decisions as a JSON document for programs."""
    return Decisions(decisions=tuple(decisions)).model_dump_json(by_alias=True, indent=2)


def _names(arguments: argparse.Namespace, file: images.Images) -> list[names.Name]:
    """The series that were asked for, each once."""
    if arguments.all == bool(arguments.names):
        raise UsageError(
            "say which images: names, or --all, and not both",
            hint="such as fai-forge plan debian-13, or fai-forge plan --all",
        )
    if arguments.all:
        return [row.name for row in file.rows]
    return list(dict.fromkeys(names.parse(name).series for name in arguments.names))


def _exit_code(decisions: Sequence[Decision], *, tell: bool) -> int:
    answers = {decision.answer for decision in decisions}
    if "unknown" in answers:
        return UNKNOWN
    return NOTHING if tell and "publish" not in answers else 0


def table(decisions: Sequence[Decision], width: int | None, *, explain: bool) -> Iterator[str]:
    """The table for people; with a `width` in characters no line is longer."""
    cells = [HEADINGS, *(_cells(decision) for decision in decisions)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS) - 1)]
    for number, row in enumerate(cells):
        start = "  ".join(f"{cell:<{wide}}" for cell, wide in zip(row, widths, strict=False))
        if width is None:
            yield f"{start}  {row[-1]}".rstrip()
        else:
            room = max(SHORTEST_WHY, width - len(start) - 2)
            yield f"{start}  {textwrap.shorten(row[-1], room, placeholder=' …')}".rstrip()
        if explain and number:
            yield from explained(decisions[number - 1], width)


def _cells(decision: Decision) -> tuple[str, ...]:
    published = decision.published
    serial = published.serial if published else "-"
    old = age(decision.date - published.date) if published else "-"
    return (decision.name, serial, old, decision.answer, summary(decision))


def age(span: timedelta) -> str:
    """A time span in its largest unit: 3 h, 12 d."""
    hours = int(span.total_seconds() // 3600)
    return f"{hours // 24} d" if hours >= 48 else f"{max(0, hours)} h"


def explained(decision: Decision, width: int | None) -> Iterator[str]:
    """The policy and the reasons of a decision; with a `width`, no line is longer."""
    yield f"    policy {decision.policy}"
    for reason in decision.reasons:
        yield from textwrap.wrap(
            _explanation(reason),
            max(width or 10_000, 40),
            initial_indent=f"    {reason.effect:<8}",
            subsequent_indent=" " * 12,
            break_on_hyphens=False,
        )
        yield from (f"{' ' * 12}{line}" for line in reason.detail.splitlines())


def _explanation(reason: Reason) -> str:
    told = [reason.text]
    if reason.rule:
        told.append(f"[{reason.rule}]")
    return " ".join(told)


VERB = common.Verb(
    "plan", "say which images must be published anew", DESCRIPTION, _arguments, _call
)
