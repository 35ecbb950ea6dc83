# SPDX-License-Identifier: GPL-2.0-or-later
"""What vouches for a remote's files: a list of digests, a signature of it, or only TLS."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from builder import checksums
from builder.checksums import Checksums
from builder.store.keys import Keyring

SIGNED: Final = "signed by"
ONLY_TLS: Final = "only the server, by TLS; no digest is published"
# At the end of the line: what stands before it may be words of a server.
SIGNER: Final = re.compile(rf", {SIGNED} ([0-9A-F]{{40}}|[0-9A-F]{{64}})\Z")
# Bytes of a list of digests, and of a signature.
LARGEST_LIST: Final = 16 << 20
LARGEST_SIGNATURE: Final = 1 << 16

# The content of a small file of a remote, by its name and the bytes that it may have.
Reads = Callable[[str, int], bytes]


@dataclass(frozen=True)
class Voucher:
    """A list of digests that is vouched for by `vouched`, in one line."""

    sums: Checksums
    vouched: str


def by_signature(what: str, fingerprint: str) -> str:
    """The line that says so of something signed."""
    return f"{what}, {SIGNED} {fingerprint}"


def by_tls(what: str) -> str:
    """The line that says so of something that only its server vouches for."""
    return f"{what}, which only the server vouches for, by TLS; it is not signed"


def signer_of(vouched: str) -> str:
    """The fingerprint in such a line; empty where nothing is signed."""
    found = SIGNER.search(vouched)
    return found[1] if found else ""


def vouch(
    name: str, signature: str, keyring: Keyring | None, read: Reads, where: str
) -> Voucher | None:
    """The list of digests of that name, verified by its signature; None where no name is given.

    The signature's name is the list's own if that is clearsigned; without one, or without keys, TLS
    alone vouches for the list. `read` gives the content of a file beside the images, `where` says
    in errors where those are.
    """
    if not name:
        return None
    what, content = f"{name} of {where}", read(name, LARGEST_LIST)
    title = name.rpartition("/")[2]
    line = by_tls(title)
    if keyring is not None and signature:
        if signature == name:
            content, fingerprint = keyring.opened_by(content, what)
        else:
            fingerprint = keyring.verify(content, read(signature, LARGEST_SIGNATURE), what)
        line = by_signature(title, fingerprint)
    return Voucher(checksums.parse(content, what, checksums.algorithm_of(name)), line)
