# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream pull`: the newest images of distributions, into a store of ours."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from builder import images, paths
from builder.cli import common, stores, upstream_check, upstreams
from builder.cli.progress import progress
from builder.errors import InfrastructureError, UsageError
from builder.images import Images
from builder.manifest.imported import Document
from builder.planning.explain import Explainer
from builder.planning.since import since
from builder.store import keys
from builder.store.beside import changes
from builder.store.index import StoreIndex
from builder.store.writing import Publisher
from builder.upstream.choosing import choose
from builder.upstream.finding import CHANNEL
from builder.upstream.pulling import JOBS, Beside, Pulled, pull

DESCRIPTION = f"""\
Bring the newest images of distributions into a store, in the channel {CHANNEL}: what is not there
yet is downloaded (going on where that was broken off), verified by its makers' digest and
signature, looked at by qemu-img, and published under our names with a manifest that says where it
came from, who vouches for it, and all that OpenStack wants to know (SCS-0102). Then builds beyond
the number that the source's file keeps are removed; one with a tag never is.

One image that fails stops neither the others nor the cleanup. Whatever was signed and is not any
more stops that image. A second call downloads nothing: it only asks what has changed.

examples:
  fai-forge upstream pull alma-10 'ubuntu-*' --to /srv/images
  fai-forge upstream pull --all --to /srv/images --dry-run
  fai-forge upstream pull --all --to sftp://images.example.org/srv/images --jobs 4
  fai-forge upstream pull fedora --to /srv/images \\
      --instead https://dl.fedoraproject.org/=https://mirror.example.org/fedora/

exit codes: 0, also if nothing was new; 2 if a file, a name or the store's settings are wrong; 4 if
an upstream or the store let us down, with the reason in the table.
"""
HEADINGS = ("IMAGE", "VERSION", "BUILD", "DONE", "WHY")
# What is said of an image, by what came of it.
WORDS: Final[Mapping[str, str]] = {"planned": "PULL", "older": "OLDER", "failed": "FAILED"}
MOST_JOBS: Final = 16


def _arguments(parser: argparse.ArgumentParser) -> None:
    upstreams.add_names(parser, nothing="or --all")
    parser.add_argument("--all", action="store_true", help="all images of all sources")
    parser.add_argument("--to", metavar="STORE", required=True, help="the store: a folder or a URL")
    parser.add_argument(
        "--key", metavar="FINGERPRINT", help=f"the key that signs (default: ${keys.KEY_VARIABLE})"
    )
    stores.add_keyring(parser)
    parser.add_argument(
        "--jobs",
        type=int,
        default=JOBS,
        metavar="N",
        help="how many images come at once (default: %(default)s)",
    )
    stores.add_dry_run(parser)
    upstreams.add_asking(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    _check(arguments)
    rows = images.read(paths.project_root())
    # Of a channel that is not there nobody could say when its builds expire.
    rows.channel(CHANNEL)
    asking = upstreams.asking(arguments)
    chosen = choose(upstreams.sources(arguments), arguments.names, asking)
    publisher = stores.publisher(arguments, arguments.to)
    now = datetime.now(UTC).replace(microsecond=0)
    shown = progress(quiet=False)
    try:
        done = pull(
            chosen,
            asking,
            publisher,
            now,
            shown,
            jobs=arguments.jobs,
            beside=_changes(publisher, rows),
            dry_run=arguments.dry_run,
        )
    finally:
        shown.finish()
    if arguments.json:
        common.print_json(_plain(done, publisher.place.url, dry_run=arguments.dry_run))
    else:
        print("\n".join(lines(done, dry_run=arguments.dry_run)))
    return _code(done, named=chosen.named)


def _changes(publisher: Publisher, rows: Images) -> Beside:
    """What makes the changelog of an image, where its makers list the packages of both versions."""
    explainer = Explainer(rows.advisories, paths.project_root(), paths.cache().advisories)

    def made(index: StoreIndex | None, new: Document) -> Sequence[tuple[str, bytes]]:
        changelog = since(publisher.place, index, new, rows, explainer, CHANNEL)
        return changes(f"{new.name}-{new.serial}", changelog) if changelog else ()

    return made


def _check(arguments: argparse.Namespace) -> None:
    if arguments.all == bool(arguments.names):
        raise UsageError(
            "either images are named, or all of them are pulled",
            hint="name some, such as alma-10, or give --all",
        )
    if not 1 <= arguments.jobs <= MOST_JOBS:
        raise UsageError(
            f"{arguments.jobs} images cannot come at once",
            hint=f"1 to {MOST_JOBS} can: servers do not like more of one reader",
        )


def _code(done: Pulled, *, named: bool) -> int:
    """The exit code: infrastructure let us down, unless all that was named is wrong usage."""
    codes = {each.code for each in done.outcomes if each.answer == "failed"}
    if named and codes == {UsageError.exit_code} and not done.errors:
        return UsageError.exit_code
    return InfrastructureError.exit_code if done.failed else 0


def lines(done: Pulled, *, dry_run: bool) -> Iterator[str]:
    """The table that is printed, what else is to be said, and a line that sums it up."""
    rows = [
        (
            each.checked.name,
            each.checked.version or "-",
            each.checked.serial or "-",
            WORDS.get(each.answer, each.answer),
            each.reason,
        )
        for each in done.outcomes
    ]
    yield from common.table(HEADINGS, rows)
    yield from upstreams.hints((each.checked.name, each.hint) for each in done.outcomes)
    yield from upstreams.hints((each.checked.name, each.warning) for each in done.outcomes)
    would = "would be " if dry_run else ""
    for step in done.removed:
        yield f"{would}removed: {step.series}-{step.build.serial}; {step.reason}"
    yield from done.errors
    answers: list[str] = [each.answer for each in done.outcomes]
    counted = ("planned",) if dry_run else ("pulled",)
    counts = ", ".join(
        f"{answer}: {answers.count(answer)}"
        for answer in (*counted, "unchanged", "older", "skipped", "failed")
    )
    amount = "" if dry_run else f"; {done.transferred / 10**6:.1f} MB transferred"
    yield f"{counts}, {would}removed: {len(done.removed)}{amount}"


def _plain(done: Pulled, store: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "store": store,
        "done": not dry_run,
        "failed": done.failed,
        "transferred": done.transferred,
        "images": [
            {
                **upstream_check.plain(each.checked),
                "answer": each.answer,
                "transferred": each.transferred,
                "reason": each.reason,
                "hint": each.hint,
                "warning": each.warning,
            }
            for each in done.outcomes
        ],
        "removed": [
            {"name": step.series, "serial": step.build.serial, "reason": step.reason}
            for step in done.removed
        ],
        "errors": done.errors,
    }


VERB = common.Verb("pull", "bring the newest images into a store", DESCRIPTION, _arguments, _call)
