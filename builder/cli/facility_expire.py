# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility expire`: remove what the site need not keep."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

from builder.cli import common, facilities, stores
from builder.errors import InfrastructureError
from builder.facility.amounts import in_words
from builder.facility.expiring import Expired, expire

DESCRIPTION = """\
Remove builds from the site's store, and from its targets: custom images by custom.keep and
custom.expire_after; and where the store is larger than store.quota, the oldest builds of all, until
it fits. What sync took in is otherwise sync's own matter.

These always stay: a build with a tag, the newest of each series in each channel, and what is in use
at a target. A target that gives no answer keeps all that may be in use there. A removed build keeps
its manifest.

examples:
  fai-forge facility expire --dry-run
  fai-forge facility expire

exit codes: 0; 4 if a target gave no answer, or the quota cannot be met.
"""
HEADINGS = ("BUILD", "CHANNEL", "SIZE", "DECISION", "WHY")
# What is said of a build, by its action, before and after the fact.
WORDS = {"keep": ("keep", "kept"), "remove": ("REMOVE", "removed")}


def _arguments(parser: argparse.ArgumentParser) -> None:
    stores.add_dry_run(parser)
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    site = facilities.site(arguments)
    now = datetime.now(UTC).replace(microsecond=0)
    done = expire(site, now, dry_run=arguments.dry_run)
    if arguments.json:
        common.print_json(_answer(done, done_already=not arguments.dry_run))
    else:
        print("\n".join(lines(done, done_already=not arguments.dry_run)))
    return InfrastructureError.exit_code if done.errors or done.plan.over else 0


def lines(done: Expired, *, done_already: bool) -> Iterator[str]:
    """The table that is printed, and lines that sum it up."""
    plan = done.plan
    rows = [
        (
            f"{step.series}-{step.build.serial}",
            step.build.channel,
            in_words(step.size),
            WORDS[step.action][done_already],
            step.reason,
        )
        for step in plan.steps
    ]
    yield from common.table(HEADINGS, rows)
    would = "" if done_already else "would be "
    of = f" of {in_words(plan.quota)}" if plan.quota is not None else ""
    gone = len(plan.removed)
    yield f"{would}kept: {len(rows) - gone}, removed: {gone}; {in_words(plan.after)}{of} are taken"
    if plan.over:
        yield (
            f"the quota cannot be met: {in_words(plan.over)} too much are tagged, the newest of"
            " their series, or in use"
        )
    for each in done.errors:
        yield f"    {each}"


def _answer(done: Expired, *, done_already: bool) -> dict[str, object]:
    plan = done.plan
    return {
        "done": done_already,
        "builds": [
            {
                "name": step.series,
                "serial": step.build.serial,
                "channel": step.build.channel,
                "size": step.size,
                "action": step.action,
                "reason": step.reason,
            }
            for step in plan.steps
        ],
        "bytesBefore": plan.before,
        "bytesAfter": plan.after,
        "quota": plan.quota,
        "over": plan.over,
        "errors": done.errors,
    }


VERB = common.Verb("expire", "remove what the site need not keep", DESCRIPTION, _arguments, _call)
