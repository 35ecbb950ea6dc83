# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge publish`: put finished builds into a store that others read."""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from builder import images, names, paths
from builder.builds import Built
from builder.cli import common, stores
from builder.cli.progress import progress
from builder.errors import UsageError
from builder.manifest import document
from builder.planning.explain import Explainer
from builder.planning.since import since
from builder.progress import Progress
from builder.store import companions, gathering, keys, writing
from builder.store.delta.offering import offer
from builder.store.index import StoreIndex
from builder.store.publishing import Published, publish
from builder.store.selection import select
from builder.store.writing import Publisher

DESCRIPTION = """\
Put finished builds into a store: upload, verify, sign, and name them in the store's index last, so
that readers see all of a build or nothing. What is published already is left alone, and what is
published is never replaced. A build whose checks or boots failed, or that was never booted, is
refused.

Beside a build lies a delta from the newest earlier one of its channel, where both are disks: who
has that one fetches the delta only (docs/deltas.md). Making it takes about half a minute, or some
minutes with a new kernel.

A store is a folder, or a URL. Its index and each build's list of digests are signed by gpg with the
key that --key or $FAI_FORGE_SIGNING_KEY names by its fingerprint. The index is valid for a while
only: --refresh renews it where nothing else changes.

examples:
  fai-forge publish debian-13 --to /srv/images
  fai-forge publish out --to /srv/images
      the newest build of each image in out/
  fai-forge publish debian-13-20261120 --to /srv/images --channel daily
  fai-forge publish --refresh --to /srv/images --valid-days 14

exit codes: 0, also if there was nothing to do; 2 if its name is published with other content; 3 if
it is not verified; 4 if the store cannot be reached, read or written.
"""
LONGEST_DAYS: Final = 366


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "builds",
        nargs="*",
        metavar="NAME|DIR",
        help="a build, an image (its newest build), a build's folder, or a folder of builds"
        " (default: the newest build of each image in OUT)",
    )
    parser.add_argument("--to", metavar="STORE", required=True, help="the store: a folder or a URL")
    parser.add_argument(
        "--channel", metavar="NAME", help="such as release or daily (default: by images.yaml)"
    )
    parser.add_argument(
        "--key", metavar="FINGERPRINT", help=f"the key that signs (default: ${keys.KEY_VARIABLE})"
    )
    parser.add_argument(
        "--keyring",
        metavar="FILE",
        type=Path,
        help="public keys that may have signed the index that is there, while keys are changed"
        " (default: the key that signs)",
    )
    parser.add_argument(
        "--valid-days",
        metavar="N",
        type=int,
        default=writing.VALID.days,
        help="for how long the index is valid (default: %(default)s)",
    )
    parser.add_argument(
        "--force-unverified",
        action="store_true",
        help="publish what failed or was never tried; the index says so for ever",
    )
    parser.add_argument(
        "--no-delta",
        action="store_true",
        help="leave out the delta from the build before, which spares readers most of the download",
    )
    parser.add_argument(
        "--refresh", action="store_true", help="only sign the index anew, so that it stays valid"
    )
    common.add_out(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    _check(arguments)
    publisher = stores.publisher(arguments, arguments.to, timedelta(days=arguments.valid_days))
    now = datetime.now(UTC).replace(microsecond=0)
    if arguments.refresh:
        _print_refreshed(writing.refresh(publisher, now), publisher, arguments)
        return 0
    chosen = select(arguments.builds, common.builds(arguments))
    rows = images.read(paths.project_root())
    answers = []
    for built in chosen:
        channel = arguments.channel or rows.row(names.parse(built.name)).channel
        # Of a channel that is not there nobody could say when its builds expire.
        rows.channel(channel)
        shown = progress(quiet=False)
        try:
            done = _publish(publisher, built, channel, now, shown, rows, arguments)
        finally:
            shown.finish()
        answers.append(_answer(built, done, publisher))
        if not arguments.json:
            _print(answers[-1])
    if arguments.json:
        common.print_json(answers)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.valid_days <= LONGEST_DAYS:
        raise UsageError(
            f"an index is valid for 1 to {LONGEST_DAYS} days, and not for {arguments.valid_days}",
            hint=f"the default is {writing.VALID.days}",
        )
    if arguments.refresh and arguments.builds:
        raise UsageError(
            "--refresh changes nothing but the index", hint="leave out the builds, or --refresh"
        )


def _publish(
    publisher: Publisher,
    built: Built,
    channel: str,
    now: datetime,
    shown: Progress,
    rows: images.Images,
    arguments: argparse.Namespace,
) -> Published:
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        shown.stage(f"Reading {built}")
        index = _current(publisher)
        explainer = Explainer(rows.advisories, paths.project_root(), paths.cache().advisories)
        new = document.load(built.manifest)
        changes = since(publisher.place, index, new, rows, explainer)
        made = companions.make(built, Path(folder), changes)
        delta = None
        if not arguments.no_delta:
            work = paths.cache().work
            delta = offer(publisher.place, index, built, channel, Path(folder), work, shown)
        parcel = gathering.gather(built, (*made, *([delta.path] if delta else [])))
        return publish(
            publisher,
            parcel,
            channel,
            now,
            shown,
            title=rows.row(names.parse(built.name)).title,
            unverified=arguments.force_unverified,
            deltas=[delta.entry] if delta else [],
        )


def _current(publisher: Publisher) -> StoreIndex | None:
    """The index as it is now; None in a new store."""
    # The lock makes the folder of a new store.
    with publisher.place.lock():
        return publisher.current()


def _answer(built: Built, done: Published, publisher: Publisher) -> dict[str, Any]:
    return {
        "name": built.name,
        "serial": built.serial,
        "answer": done.answer,
        "channel": done.build.channel,
        "store": publisher.place.url,
        "folder": done.folder,
        "index": done.index.serial,
        "unverified": done.build.unverified,
        "deltas": [each.model_dump(by_alias=True) for each in done.build.deltas],
    }


def _print(answer: dict[str, Any]) -> None:
    build = f"{answer['name']}-{answer['serial']}"
    if answer["answer"] == "unchanged":
        print(f"{build} is in {answer['store']} already; there is nothing to do")
        return
    where = f"{answer['store']}/{answer['folder']}"
    print(f"{build} is published: {where}, channel {answer['channel']}, index {answer['index']}")
    for delta in answer["deltas"]:
        print(f"    delta from {delta['base']}: {delta['size'] / 10**6:.1f} MB")
    for doubt in answer["unverified"]:
        print(f"    not verified: {doubt}")


def _print_refreshed(
    index: StoreIndex, publisher: Publisher, arguments: argparse.Namespace
) -> None:
    if arguments.json:
        common.print_json(
            {
                "store": publisher.place.url,
                "index": index.serial,
                "validUntil": index.valid_until.isoformat(),
            }
        )
        return
    until = f"{index.valid_until:%Y-%m-%d %H:%M} UTC"
    print(f"the index of {publisher.place.url} is valid until {until}, serial {index.serial}")


VERB = common.Verb("publish", "put finished builds into a store", DESCRIPTION, _arguments, _call)
