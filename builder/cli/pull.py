# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge pull`: bring an image of somebody's store here."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from builder.cli import common, facilities
from builder.cli.progress import progress
from builder.facility import asking, loose, pulling, refs
from builder.facility.loose import Fetched
from builder.facility.pulling import FORMATS, Pulled
from builder.facility.refs import Ref
from builder.facility.remotes.store import bases
from builder.store.index import NO_BOOT

DESCRIPTION = """\
Bring an image into the facility's own store, and from there to the targets of its series. NAME is
its newest build, NAME:SERIAL a certain one, NAME:TAG the one that was promoted so; a build that is
pulled by its tag gets the tag here, too, and so is never removed.

What comes is looked at before it is visible under its name: the signature of the remote's index, by
a key of the keyring; that the index is no older than one seen before, and still valid; the size and
the digest of each file. What was broken off goes on when it is called again. Where an earlier build
of the image is here, only what changed is transferred, if the remote publishes that.

Remotes are those of facility.yaml; --from names one of them, or a store by its folder or URL. With
--into, no facility is needed: the files go to DIR/NAME/SERIAL, as builds do.

examples:
  fai-forge pull debian-13
  fai-forge pull debian-13:20261121 --from portal
  fai-forge pull debian-13 --from https://images.example.org --keyring images.gpg --into out
      then: fai-forge run debian-13

exit codes: 0, also if it was here; 2 if no remote has it, it is a custom image of another site, or
another image is here under its name; 4 if a remote that may have it, or a target, let us down.
"""


def add_sources(parser: argparse.ArgumentParser) -> None:
    """`--from`, `--keyring` and `--by-rebuild`."""
    parser.add_argument(
        "--from",
        dest="source",
        metavar="REMOTE|URL",
        help="a remote of facility.yaml, or the folder or URL of a store (default: all remotes"
        " that the series is taken from)",
    )
    parser.add_argument(
        "--keyring",
        type=Path,
        metavar="FILE",
        help="the public keys that may sign the store at --from URL",
    )
    add_by_rebuild(parser)


def add_by_rebuild(parser: argparse.ArgumentParser) -> None:
    """`--by-rebuild`."""
    parser.add_argument(
        "--by-rebuild",
        action="store_true",
        help="fetch packages instead of images, and build the image again; it is used only if it"
        " is the published one, bit for bit",
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="NAME[:SERIAL|TAG]", help="the image, such as debian-13")
    add_sources(parser)
    parser.add_argument(
        "--into",
        type=Path,
        metavar="DIR",
        help="put the files into DIR/NAME/SERIAL, and not into the facility's store",
    )
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        default=[],
        metavar="FORMAT",
        help="a format to take; may be given more than once (default: as the series' row says,"
        f" else {', '.join(FORMATS)})",
    )
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    ref = refs.parse(arguments.ref)
    if arguments.into:
        fetched = _into(arguments, ref)
        _print(arguments, _of_fetched(fetched), f"{fetched.built.folder}")
        return 0
    pulled, where = _pull(arguments, ref)
    _print(arguments, _of_pulled(pulled, where), where)
    return 4 if any(put.error for put in pulled.placed) else 0


def _into(arguments: argparse.Namespace, ref: Ref) -> Fetched:
    address = arguments.source is not None and asking.is_address(arguments.source)
    site = None if address else facilities.site(arguments)
    into = arguments.into.absolute()
    rebuild = asking.rebuilder(site) if arguments.by_rebuild else None
    local = partial(loose.bases, into)
    found = asking.of(arguments.source, arguments.keyring, site, local, rebuild)
    shown = progress(quiet=False)
    try:
        return loose.pull(found, ref, arguments.formats or FORMATS, into, shown)
    finally:
        shown.finish()


def _pull(arguments: argparse.Namespace, ref: Ref) -> tuple[Pulled, str]:
    site = facilities.site(arguments)
    rebuild = asking.rebuilder(site) if arguments.by_rebuild else None
    local = partial(bases, site.store)
    found = asking.of(arguments.source, arguments.keyring, site, local, rebuild)
    if arguments.source is None:
        found = asking.of_row(site.facility.wanted(ref.name), found)
    shown = progress(quiet=False)
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        return pulling.pull(site, found, ref, now, shown, arguments.formats), site.store.place.url
    finally:
        shown.finish()


def _of_pulled(pulled: Pulled, where: str) -> dict[str, Any]:
    return {
        "name": pulled.offer.name,
        "serial": pulled.offer.serial,
        "channel": pulled.offer.channel,
        "remote": pulled.offer.remote,
        "answer": pulled.answer,
        "store": where,
        "how": pulled.how,
        "transferred": pulled.transferred,
        "unverified": pulled.build.unverified,
        "targets": pulled.placed,
    }


def _of_fetched(fetched: Fetched) -> dict[str, Any]:
    return {
        "name": fetched.offer.name,
        "serial": fetched.offer.serial,
        "channel": fetched.offer.channel,
        "remote": fetched.offer.remote,
        "answer": fetched.answer,
        "folder": str(fetched.built.folder),
        "how": fetched.how,
        "transferred": fetched.transferred,
        "unverified": fetched.offer.build.unverified if fetched.offer.build else (),
    }


def _print(arguments: argparse.Namespace, answer: dict[str, Any], where: str) -> None:
    if arguments.json:
        common.print_json(answer)
        return
    build = f"{answer['name']}-{answer['serial']}"
    if answer["answer"] == "unchanged":
        print(f"{build} is in {where} already")
    else:
        megabytes = f"{answer['transferred'] / 10**6:.1f} MB transferred"
        print(f"{build} is in {where}: from {answer['remote']}, {answer['how']}, {megabytes}")
    for doubt in answer["unverified"]:
        # Of an image that others made this says nothing against its digest and signature.
        print(f"    {'note' if doubt == NO_BOOT else 'not verified'}: {doubt}")
    for put in answer.get("targets", ()):
        said = f"failed: {put.error}" if put.error else f"{put.answer}, {put.reference}"
        print(f"    {put.target}: {said}")


VERB = common.Verb("pull", "bring an image of a store here", DESCRIPTION, _arguments, _call)
