# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge sync`: make the facility's store and targets what facility.yaml wants."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from builder.cli import common, facilities, pull
from builder.cli.progress import progress
from builder.facility import asking, syncing
from builder.facility.amounts import in_words
from builder.facility.synced import CHANGING, Done, Synced

DESCRIPTION = """\
Make the facility's own store, and the targets of its series, what facility.yaml wants: the newest
build of each series comes from its remotes, targets get it, and older builds beyond `keep` are
removed. --dry-run shows all of that with its reasons, and changes nothing.

Never removed are the newest build of a series, one with a tag, one that is in use at a target, and
custom images; while a remote of a series is down, nothing of that series is. One image that fails
does not stop the others. What was broken off goes on with the next sync; how it went is shown by
`fai-forge facility status`.

examples:
  fai-forge sync --dry-run
  fai-forge sync
  fai-forge sync 'debian-13*' --from portal

exit codes: 0; 4 if a remote, an image or a target failed, or another sync is at work; 5 if there
was nothing to do, with --exit-code.
"""
HEADINGS = ("BUILD", "STEP", "WHERE", "SIZE", "WHY")
NOTHING, FAILED = 5, 4


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "patterns",
        nargs="*",
        metavar="PATTERN",
        help="look at these series only, such as 'debian-13*' (default: all of facility.yaml)",
    )
    parser.add_argument(
        "--from", dest="source", metavar="REMOTE", help="ask this remote of facility.yaml only"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, and say what would be done"
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="end with 5 where nothing was to do"
    )
    pull.add_by_rebuild(parser)
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    site = facilities.site(arguments)
    rebuild = asking.rebuilder(site) if arguments.by_rebuild else None
    sources = asking.sources(site, arguments.source, rebuild)
    shown = progress(quiet=False)
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        synced = syncing.sync(
            site, sources, arguments.patterns, now, shown, dry_run=arguments.dry_run
        )
    finally:
        shown.finish()
    if arguments.json:
        common.print_json(_plain(synced, site.facility.name, dry_run=arguments.dry_run))
    else:
        print("\n".join(lines(synced, done=not arguments.dry_run)))
    if synced.failed:
        return FAILED
    return NOTHING if arguments.exit_code and not synced.changes else 0


def lines(synced: Synced, *, done: bool) -> list[str]:
    """The table that is printed, what went wrong, and a line that sums it up."""
    rows = [
        (
            str(each.step),
            _word(each, done=done),
            each.step.where,
            in_words(each.step.size) if each.step.size else "",
            each.step.reason if each.outcome == "planned" else each.words,
        )
        for each in synced.steps
    ]
    table = common.table(HEADINGS, rows) if rows else []
    down = [f"{each.name}: {each.error}" for each in synced.answers if each.error]
    odd = [f"series: {match}: no remote has a series of that name" for match in synced.unmatched]
    return [*table, *down, *odd, _summary(synced, done=done)]


def _word(each: Done, *, done: bool) -> str:
    if each.outcome == "failed":
        return "FAILED"
    changing = each.step.action in CHANGING
    if not changing or not done:
        return each.step.action
    return WORDS[each.step.action] if each.outcome == "done" else "left"


# What is said of a step that was done.
WORDS = {"pull": "pulled", "place": "placed", "withdraw": "withdrawn", "remove": "removed"}


def _summary(synced: Synced, *, done: bool) -> str:
    made: list[str] = [
        each.step.action for each in synced.steps if each.outcome in ("done", "planned")
    ]
    counts = ", ".join(f"{WORDS[action]}: {made.count(action)}" for action in CHANGING)
    failed = sum(each.outcome == "failed" for each in synced.steps)
    failed += sum(bool(answer.error) for answer in synced.answers)
    wrong = f", failed: {failed}" if failed else ""
    if not done:
        return f"would be {counts}{wrong}"
    return f"{counts}{wrong}; {synced.transferred / 10**6:.1f} MB transferred"


def _plain(synced: Synced, facility: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "facility": facility,
        "done": not dry_run,
        "failed": synced.failed,
        "transferred": synced.transferred,
        "unmatched": synced.unmatched,
        "remotes": [
            {"name": each.name, "url": each.url, "error": each.error} for each in synced.answers
        ],
        "steps": [
            {
                "name": each.step.series,
                "serial": each.step.serial,
                "channel": each.step.channel,
                "action": each.step.action,
                "where": each.step.where,
                "reason": each.step.reason,
                "outcome": each.outcome,
                "words": each.words,
                "size": each.step.size,
                "transferred": each.transferred,
            }
            for each in synced.steps
        ],
    }


VERB = common.Verb("sync", "bring the facility's images up to date", DESCRIPTION, _arguments, _call)
