# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge expire`: hide and remove what the channels of images.yaml do not keep."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from builder import distros, images, paths
from builder.cli import common, stores, upstreams
from builder.store.retention import Step
from builder.store.tending import expire
from builder.upstream import keeping

DESCRIPTION = """\
Hide and remove the published builds that images.yaml's channels do not keep, as docs/retention.md
tells. The newest build of each series and every build with a tag always stay. A removed build keeps
its manifest, so that it can be built again. What is not understood (an unknown channel, a release
whose end of life nobody knows, a clock that is wrong) stops all of it.

examples:
  fai-forge expire --store /srv/images --dry-run
  fai-forge expire --store /srv/images
"""
HEADINGS = ("BUILD", "CHANNEL", "DECISION", "WHY")
# What is said of a build, by its action, before and after the fact.
WORDS = {"keep": ("keep", "kept"), "hide": ("HIDE", "hidden"), "remove": ("REMOVE", "removed")}


def _arguments(parser: argparse.ArgumentParser) -> None:
    stores.add_store(parser, needed=True)
    stores.add_dry_run(parser)
    common.add_out(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    steps = expire(
        stores.publisher(arguments),
        images.read(paths.project_root()).channels,
        lambda entry: distros.end_of_life(entry.distro, entry.release),
        datetime.now(UTC).replace(microsecond=0),
        keeping.keeps(upstreams.sources(arguments)),
        dry_run=arguments.dry_run,
    )
    if arguments.json:
        common.print_json({"done": not arguments.dry_run, "builds": [_plain(s) for s in steps]})
    else:
        print("\n".join(lines(steps, done=not arguments.dry_run)))
    return 0


def lines(steps: Sequence[Step], *, done: bool) -> list[str]:
    """The table that is printed, and a line that sums it up."""
    rows = [
        (
            f"{step.series}-{step.build.serial}",
            step.build.channel,
            WORDS[step.action][done],
            step.reason,
        )
        for step in steps
    ]
    actions = [step.action for step in steps]
    kept, hidden, removed = (actions.count(action) for action in ("keep", "hide", "remove"))
    would = "" if done else "would be "
    summary = f"{would}kept: {kept}, hidden: {hidden}, removed: {removed} ({_mb(steps)} MB)"
    return [*common.table(HEADINGS, rows), summary]


def _mb(steps: Sequence[Step]) -> int:
    """Megabytes of the images that are removed."""
    gone = (image for step in steps if step.action == "remove" for image in step.build.images)
    return sum(image.size for image in gone) // 10**6


def _plain(step: Step) -> dict[str, str]:
    return {
        "name": step.series,
        "serial": step.build.serial,
        "channel": step.build.channel,
        "action": step.action,
        "reason": step.reason,
    }


VERB = common.Verb(
    "expire", "hide and remove what a store need not keep", DESCRIPTION, _arguments, _call
)
