# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility init`: a new site."""

from __future__ import annotations

import argparse
import socket
from datetime import UTC, datetime
from pathlib import Path

from builder.cli import common, facilities
from builder.facility import config, initial

DESCRIPTION = """\
Set up a facility: write facility.yaml with comments, make the folder of its store with an empty
signed index, and put the public key beside facility.yaml, for the sites that will read this store.
Nothing that is there is overwritten.

Without --key, an ed25519 key without a passphrase is made in the gpg home of who calls this
($GNUPGHOME): timers sign the store when nobody is there to be asked. Whoever can read that home
can sign in the site's name.

examples:
  fai-forge facility init --name north
  fai-forge facility init --name north --path /srv/images \\
      --remote https://images.example.org --keyring portal.gpg --series 'debian-13*'

exit codes: 0; 2 if something is in the way; 4 if gpg cannot sign.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="the site's name (default: this machine's)")
    parser.add_argument(
        "--path",
        default="images",
        metavar="DIR",
        help="the folder of its store, relative to facility.yaml (default: %(default)s)",
    )
    parser.add_argument("--remote", default="", metavar="URL", help="a store to take images from")
    parser.add_argument(
        "--keyring", type=Path, metavar="FILE", help="the public keys that may sign that store"
    )
    parser.add_argument(
        "--series",
        action="append",
        default=[],
        metavar="PATTERN",
        help="what sync keeps current, such as 'debian-13*'; may be given more than once (default:"
        " debian-13, if there is a remote)",
    )
    parser.add_argument(
        "--key",
        default="",
        metavar="FINGERPRINT",
        help="a key that is in the gpg home already (default: make one)",
    )
    facilities.add_facility(parser)
    common.add_json(parser)


def _call(arguments: argparse.Namespace) -> int:
    made = initial.make(
        initial.Wishes(
            config.find(arguments.facility),
            arguments.name or initial.name_of(socket.gethostname()),
            arguments.path,
            arguments.remote,
            arguments.keyring,
            arguments.key,
            tuple(arguments.series),
        ),
        datetime.now(UTC).replace(microsecond=0),
    )
    facility = made.site.facility
    if arguments.json:
        common.print_json(
            {
                "name": facility.name,
                "file": made.file,
                "store": made.site.store.place.root,
                "key": facility.store.key,
                "newKey": made.new_key,
                "publicKey": made.public,
            }
        )
        return 0
    print(f"the facility {facility.name} is set up: {made.file}")
    print(f"  store       {made.site.store.place.root}")
    kind = "made now, without a passphrase" if made.new_key else "yours"
    print(f"  key         {facility.store.key} ({kind})")
    print(f"  public key  {made.public}, for sites that read this store")
    print("edit facility.yaml, then: fai-forge facility check")
    return 0


VERB = common.Verb("init", "set up a new site", DESCRIPTION, _arguments, _call)
