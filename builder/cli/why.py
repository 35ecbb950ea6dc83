# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge why`: why an image was published anew, or was not, on some day."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

from builder import names
from builder.cli import common
from builder.cli.plan import dumped, explained
from builder.errors import UsageError
from builder.manifest.decision import Decision
from builder.planning.record import RECORDS, Record
from builder.policy.phrases import summary

DESCRIPTION = """\
Say why an image was published anew, and why it was not: the decisions that `fai-forge plan` kept,
newest first. Days on which the answer and its reasons were the same are told in one line.

examples:
  fai-forge why debian-13
  fai-forge why debian-13 --on 2026-11-20
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the image, such as debian-13")
    parser.add_argument(
        "--on", metavar="YYYY-MM-DD", type=date.fromisoformat, help="decisions of this day (UTC)"
    )
    parser.add_argument(
        "--record", metavar="DIR", type=Path, help=f"where plan kept them (default: OUT/{RECORDS})"
    )
    common.add_out(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    series = str(names.parse(arguments.name).series)
    record = Record((arguments.record or arguments.out / RECORDS).absolute())
    kept = list(record.of(series))
    if not kept:
        raise UsageError(
            f"no decision about {series} was kept in {record.folder}",
            hint=f"fai-forge plan {series} makes one; --record names another folder",
        )
    found = _on(kept, arguments.on)
    found.reverse()
    if arguments.json:
        print(dumped(found))
        return 0
    for _, same in groupby(found, key=lambda each: each.model_dump(exclude={"date"})):
        _print(list(same))
    return 0


def _on(kept: Sequence[Decision], day: date | None) -> list[Decision]:
    """The decisions of a day; the last one before it where that day has none."""
    if day is None:
        return list(kept)
    found = [each for each in kept if each.date.date() == day]
    end = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
    before = [each for each in kept if each.date < end]
    if not before:
        raise UsageError(
            f"no decision was kept on {day} or before",
            hint=f"the first one is of {kept[0].date:%Y-%m-%d}",
        )
    return found or before[-1:]


def _print(same: Sequence[Decision]) -> None:
    """One decision, and how often it was made; the newest comes first."""
    newest, oldest = same[0], same[-1]
    when = f"{newest.date:%Y-%m-%d %H:%M}"
    if len(same) > 1:
        when = f"{oldest.date:%Y-%m-%d %H:%M} to {when}, {len(same)} times"
    published = f", {newest.published.serial} published" if newest.published else ""
    print(f"{when}{published}: {newest.answer}: {summary(newest)}")
    for line in explained(newest, None):
        print(line)


VERB = common.Verb("why", "say why an image was published, or not", DESCRIPTION, _arguments, _call)
