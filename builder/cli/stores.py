# SPDX-License-Identifier: GPL-2.0-or-later
"""What the verbs that change a store share: which store, and who signs it."""

from __future__ import annotations

import argparse
import os
from collections import deque
from datetime import timedelta
from pathlib import Path

from builder import images, paths
from builder.cli import common
from builder.errors import UsageError
from builder.planning.record import RECORDS, Record
from builder.store import keys
from builder.store.derived import Derived
from builder.store.finder.facts import Why
from builder.store.memory import Memory
from builder.store.open import open_place
from builder.store.writing import VALID, Publisher


def add_store(parser: argparse.ArgumentParser, *, needed: bool) -> None:
    """`--store`, `--key` and `--keyring`."""
    parser.add_argument("--store", metavar="URL|DIR", required=needed, help="the store")
    parser.add_argument(
        "--key",
        metavar="FINGERPRINT",
        help=f"the OpenPGP key that signs its index (default: ${keys.KEY_VARIABLE})",
    )
    add_keyring(parser)


def add_keyring(parser: argparse.ArgumentParser) -> None:
    """`--keyring`."""
    parser.add_argument(
        "--keyring",
        type=Path,
        metavar="FILE",
        help="the public keys that its index may be signed with (default: that key)",
    )


def trusted(arguments: argparse.Namespace) -> keys.Verifies:
    """The public keys of `--keyring`, else of `--key`, for a verb that only reads a store."""
    if arguments.keyring:
        return keys.read_keyring(arguments.keyring)
    if not (arguments.key or os.environ.get(keys.KEY_VARIABLE)):
        raise UsageError(
            "a store is signed, and nobody says by whom",
            hint="give its public key with --keyring FILE; of a store of your own, its key with"
            f" --key or {keys.KEY_VARIABLE}",
        )
    return keys.signer(arguments.key).keyring()


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """`--dry-run`."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="change nothing, and say what would be done; with --keyring, no key is needed",
    )


class _NoKey:
    """In the place of a key where nothing is to be signed."""

    def detached(self, content: bytes, *, armor: bool = True) -> bytes:  # noqa: ARG002
        raise UsageError("no key is given", hint="give one with --key")

    def clearsigned(self, text: bytes) -> bytes:
        return self.detached(text)

    def keyring(self) -> keys.Verifies:
        raise UsageError("no key is given", hint="give one with --key, or --keyring")


def publisher(
    arguments: argparse.Namespace, url: str | None = None, valid: timedelta = VALID
) -> Publisher:
    """Who changes the store that was asked for; what follows from its index is written, too."""
    reads_only = getattr(arguments, "dry_run", False) and arguments.keyring and not arguments.key
    signer: keys.Signs = _NoKey() if reads_only else keys.signer(arguments.key)
    place = open_place(url or arguments.store)
    project = paths.project_root()
    return Publisher(
        place,
        signer,
        keys.read_keyring(arguments.keyring) if arguments.keyring else signer.keyring(),
        Memory(paths.cache().stores),
        valid,
        Derived(
            place, signer, paths.cache().documents, _policies(project), _decisions(arguments)
        ).write,
    )


def _policies(project: Path) -> dict[str, str]:
    """The policy of each image of images.yaml."""
    return {str(row.name): row.policy for row in images.read(project).rows}


def _decisions(arguments: argparse.Namespace) -> dict[str, Why]:
    """The last decision about each image that `fai-forge plan` kept in OUT."""
    record = Record(getattr(arguments, "out", common.DEFAULT_OUT).absolute() / RECORDS)
    last = {name: deque(record.of(name), 1) for name in record.names()}
    return {name: Why.of(decision) for name, kept in last.items() for decision in kept}
