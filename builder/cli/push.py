# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge push`: put builds of one store into another one."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder import paths
from builder.cli import common, facilities, stores
from builder.cli.progress import progress
from builder.facility import asking, pushing, refs
from builder.facility.pushing import Pushed
from builder.facility.remotes.store import PublishedStore
from builder.store import keys

DESCRIPTION = """\
Put builds of the facility's own store into another store, or those of any store into any other: a
folder, or a URL with sftp:// or s3://. All that is beside an image goes with it. NAME is its newest
build, NAME:SERIAL a certain one, NAME:TAG the one that was promoted so.

The other store's index is signed with its own key, which --key or $FAI_FORGE_SIGNING_KEY names by
its fingerprint; what is published there is never replaced. Builds are verified on the way, against
the index of the store that they come from. A custom image of a site stays at its site.

What was built here and is in no store yet is not pushed, but published: fai-forge publish.

examples:
  fai-forge push debian-13 --to sftp://images@portal.example.org/srv/images
  fai-forge push debian-13:13.4 debian-13-hypervisor --to s3://images/store
  fai-forge push debian-13 --from /srv/images --from-keyring images.gpg \\
      --to sftp://images@north.example.org/srv/images
      without a facility here

exit codes: 0, also if there was nothing to do; 2 if there is no such build, it is a custom image,
or the other store has another one under its name; 3 if it is not verified; 4 if a store cannot be
reached, read or written.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "refs", nargs="+", metavar="NAME[:SERIAL|TAG]", help="a build, such as debian-13:20261121"
    )
    parser.add_argument("--to", metavar="STORE", required=True, help="the store: a folder or a URL")
    parser.add_argument(
        "--key", metavar="FINGERPRINT", help=f"the key that signs (default: ${keys.KEY_VARIABLE})"
    )
    parser.add_argument(
        "--keyring",
        type=Path,
        metavar="FILE",
        help="public keys that may have signed the index that is there (default: the key that"
        " signs)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="STORE|REMOTE",
        help="the folder or URL of a store, or a remote of facility.yaml (default: the facility's"
        " own store)",
    )
    parser.add_argument(
        "--from-keyring",
        type=Path,
        metavar="FILE",
        help="the public keys that may sign the store at --from",
    )
    parser.add_argument(
        "--force-unverified",
        action="store_true",
        help="push what failed or was never tried; the index there says so for ever",
    )
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    wanted = [refs.parse(each) for each in arguments.refs]
    source = _source(arguments)
    publisher = stores.publisher(arguments, arguments.to)
    now = datetime.now(UTC).replace(microsecond=0)
    answers = []
    for ref in wanted:
        shown = progress(quiet=False)
        try:
            done = pushing.push(
                source,
                publisher,
                ref,
                paths.cache().incoming / "push",
                now,
                shown,
                unverified=arguments.force_unverified,
            )
        finally:
            shown.finish()
        answers.append(_plain(done, source, publisher.place.url))
        if not arguments.json:
            _print(answers[-1])
    if arguments.json:
        common.print_json(answers)
    return 0


def _source(arguments: argparse.Namespace) -> PublishedStore:
    if arguments.source is None:
        return pushing.own(facilities.site(arguments))
    address = asking.is_address(arguments.source)
    site = None if address else facilities.site(arguments)
    return pushing.source(arguments.source, arguments.from_keyring, site)


def _plain(done: Pushed, source: PublishedStore, store: str) -> dict[str, Any]:
    return {
        "name": done.offer.name,
        "serial": done.offer.serial,
        "channel": done.offer.channel,
        "answer": done.answer,
        "from": source.url,
        "store": store,
        "folder": done.folder,
    }


def _print(answer: dict[str, Any]) -> None:
    build = f"{answer['name']}-{answer['serial']}"
    where = f"{answer['store']}/{answer['folder']}"
    if answer["answer"] == "unchanged":
        print(f"{build} is in {where} already")
    else:
        print(f"{build} is in {where}, channel {answer['channel']}")


VERB = common.Verb("push", "put builds of a store into another", DESCRIPTION, _arguments, _call)
