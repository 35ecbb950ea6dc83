# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream check`: what is newest, what a store has of it, and since when."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from builder import paths
from builder.cli import common, stores, upstreams
from builder.cli.progress import progress
from builder.downloads.client import public
from builder.errors import InfrastructureError, UsageError
from builder.nightly.exits import NOTHING
from builder.store import reading
from builder.store.memory import Memory
from builder.store.open import open_readable
from builder.upstream.checking import Checked, check
from builder.upstream.choosing import choose
from builder.upstream.shelf import Shelf

DESCRIPTION = """\
Ask each upstream for its newest images, verify what vouches for them, and say what a store has of
them. No image is downloaded, and of what was asked before only what changed is.

SIGNED says what its makers sign: the index, the list of digests, or the image itself, which is
verified when it comes. Without --store, the table says only what is newest.

A version is new if the store does not have it, and older if the store has a newer one: then a
server is behind, or its makers took the version back, and `upstream pull` leaves it alone.

examples:
  fai-forge upstream check
  fai-forge upstream check alma-10 'ubuntu-*' --store /srv/images
  fai-forge upstream check --store https://images.example.org --keyring images.gpg --exit-code

exit codes: 0; 2 if a word, a file or a name is wrong; 4 if an upstream let us down, with its reason
in the table; 5 if nothing is new, with --exit-code.
"""
HEADINGS = ("IMAGE", "NEWEST", "OF", "SIGNED", "STORE HAS", "SINCE", "STATE", "WHY")
# Those that nothing is said under without a store.
OF_STORES = ("STORE HAS", "SINCE")
# What is said of an image, by its state.
WORDS: Final[Mapping[str, str]] = {"new": "NEW", "older": "OLDER", "failed": "FAILED"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    upstreams.add_names(parser, nothing="all of them if none is given")
    stores.add_store(parser, needed=False)
    upstreams.add_asking(parser)
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="end with 5 where nothing is newer than in the store",
    )
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    if arguments.exit_code and not arguments.store:
        raise UsageError(
            "without a store, all that there is is new", hint="--exit-code needs --store"
        )
    asking = upstreams.asking(arguments)
    chosen = choose(upstreams.sources(arguments), arguments.names, asking)
    now = datetime.now(UTC).replace(microsecond=0)
    shelf = _shelf(arguments, now) if arguments.store else None
    shown = progress(quiet=False)
    try:
        found = check(chosen, asking, shelf, now, shown)
    finally:
        shown.finish()
    if arguments.json:
        failed = any(each.state == "failed" for each in found)
        common.print_json({"failed": failed, "images": [plain(each) for each in found]})
    else:
        print("\n".join(lines(found, store=shelf is not None)))
    return code(found, named=chosen.named) or (
        NOTHING if arguments.exit_code and not any(each.state == "new" for each in found) else 0
    )


def _shelf(arguments: argparse.Namespace, now: datetime) -> Shelf:
    place = open_readable(arguments.store)
    return Shelf(
        place, reading.read(place, stores.trusted(arguments), Memory(paths.cache().stores), now)
    )


def code(found: Sequence[Checked], *, named: bool) -> int:
    """The exit code: infrastructure let us down, unless all that was named is wrong usage."""
    codes = {each.code for each in found if each.state == "failed"}
    if named and codes == {UsageError.exit_code}:
        return UsageError.exit_code
    return InfrastructureError.exit_code if codes else 0


def lines(found: Sequence[Checked], *, store: bool) -> list[str]:
    """The table that is printed, what to do about failures, and a line that sums it up."""
    rows = [
        (
            each.name,
            each.version or "-",
            day(each) or "-",
            signed(each) or ("no" if each.found else "-"),
            each.had.origin.version or each.had.build.serial if each.had else "-",
            f"{each.had.build.published:%Y-%m-%d}" if each.had else "-",
            WORDS.get(each.state, each.state) if store or each.state != "new" else "",
            # Its state says it.
            each.reason if each.state != "current" else "",
        )
        for each in found
    ]
    states: list[str] = [each.state for each in found]
    counted = ("new", "current", "older", "skipped", "failed") if store else ("skipped", "failed")
    counts = ", ".join(f"{state}: {states.count(state)}" for state in counted)
    columns = [n for n, title in enumerate(HEADINGS) if store or title not in OF_STORES]
    return [
        *common.table(
            [HEADINGS[n] for n in columns], [tuple(row[n] for n in columns) for row in rows]
        ),
        *upstreams.hints((each.name, each.hint) for each in found),
        f"images: {len(found)}, {counts}",
    ]


def signed(each: Checked) -> str:
    """What of the newest version is signed: `list`, `index`, `image`; empty if nothing is."""
    signature = each.series.traits.signature if each.series and each.found else None
    return signature.over if signature else ""


def day(each: Checked) -> str:
    """When the newest version was made; empty where that is not known."""
    made = each.found.offer.date if each.found else None
    return f"{made:%Y-%m-%d}" if made else ""


def plain(each: Checked) -> dict[str, Any]:
    """One image for programs."""
    offer = each.found.offer if each.found else None
    image = offer.images[0] if offer else None
    return {
        "name": each.name,
        "source": each.source,
        "state": each.state,
        "version": each.version,
        "serial": each.serial,
        "date": day(each),
        "url": public(each.found.candidate.url) if each.found else "",
        "size": image.size if image else None,
        "checksum": f"{image.algorithm}:{image.digest}" if image else "",
        "signed": signed(each) or None,
        "vouched": offer.vouched if offer else "",
        "have": {
            "version": each.had.origin.version,
            "serial": each.had.build.serial,
            "published": each.had.build.published.isoformat(),
            "state": each.had.build.state,
        }
        if each.had
        else None,
        "reason": each.reason,
        "hint": each.hint,
    }


VERB = common.Verb("check", "what is newest, and what we have", DESCRIPTION, _arguments, _call)
