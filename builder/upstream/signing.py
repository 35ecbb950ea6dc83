# SPDX-License-Identifier: GPL-2.0-or-later
"""Who signed what upstreams publish: only the keys that a YAML file pins, by their fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from builder.errors import InfrastructureError, UsageError
from builder.imports import vouching
from builder.imports.vouching import Voucher, signer_of
from builder.store.keys import Keyring, plain_keys, read_keyring
from builder.upstream.asking import Asking
from builder.upstream.candidates import Candidate
from builder.upstream.model import Signature
from builder.upstream.series import Series

# Where packages put keyrings.
SHARE: Final = Path("/usr/share")
# Bytes.
LARGEST_KEYRING: Final = 1 << 20


def list_of(found: Candidate, series: Series) -> str:
    """The URL of the list of digests that a YAML file names for an image; empty for none."""
    template = series.traits.checksums
    return found.beside(series.fill(template, **found.words)) if template else ""


def listed(url: str, series: Series, asking: Asking, **words: str) -> Voucher:
    """A list of digests, verified as its YAML file says, with the line that says who vouches.

    Of a clearsigned list only what was signed comes back. InfrastructureError for what is not
    signed as it must be.
    """
    folder, _, title = url.rpartition("/")
    signature = series.traits.signature
    if signature is not None and signature.over != "list":
        signature = None

    def read(name: str, largest: int) -> bytes:
        is_signed = signature is not None
        address = f"{folder}/{name}"
        return asking.document(address, series.upstream, signed=is_signed, largest=largest).content

    if signature is None:
        found = vouching.vouch(title, "", None, read, folder)
    else:
        beside = series.fill(signature.file, list=title, **words)
        found = vouching.vouch(title, beside, keyring(signature, series, asking), read, folder)
    assert found is not None, "it has a name"
    if signature is not None:
        pinned(signer_of(found.vouched), signature, url)
    return found


def pinned(signer: str, signature: Signature, what: str) -> str:
    """The fingerprint of who signed; InfrastructureError unless the YAML file pins that key."""
    if signer not in signature.keys:
        raise InfrastructureError(
            f"{what} is signed with the key {signer}, which is not one of those that are pinned",
            hint="if its makers have a new key, and say so elsewhere, put it into the YAML file",
        )
    return signer


def keyring(signature: Signature, series: Series, asking: Asking | None = None) -> Keyring:
    """The keys that may sign: those of the file, else those that their makers publish.

    UsageError names the package where neither is there. Whose keys they are is asked later, of each
    signature: see `pinned`.
    """
    path, expired = place(signature, series), frozenset(signature.expired)
    if path.exists():
        ring = read_keyring(path)
        return Keyring(ring.content, ring.source, expired)
    if signature.source and asking is not None:
        found = asking.document(
            signature.source, series.upstream, signed=True, largest=LARGEST_KEYRING
        )
        content = plain_keys(found.content, signature.source)
        return Keyring(content, signature.source, expired)
    raise UsageError(
        f"the keyring {path} of {series.source} is not there",
        hint=f"apt-get install {signature.package}"
        if signature.package
        else f"put the keys {', '.join(signature.keys)} there",
    )


def place(signature: Signature, series: Series) -> Path:
    """Where the keyring is: beside the YAML file, else below /usr/share."""
    name = series.fill(signature.keyring)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UsageError(
            f"{series.path}: the keyring {name} is outside of its folders",
            hint="it is below /usr/share, or beside the file",
        )
    beside = series.path.parent / name
    return beside if beside.exists() else SHARE / name
