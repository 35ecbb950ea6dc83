# SPDX-License-Identifier: GPL-2.0-or-later
"""Who signed what upstreams publish: only the keys that a YAML file pins, by their fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from builder.errors import InfrastructureError, UsageError
from builder.imports import vouching
from builder.imports.vouching import LARGEST_LIST, LARGEST_SIGNATURE
from builder.store.keys import Keyring, plain_keys, read_keyring
from builder.upstream.asking import Asking
from builder.upstream.model import Signature
from builder.upstream.series import Series

# Where packages put keyrings.
SHARE: Final = Path("/usr/share")
# Bytes.
LARGEST_KEYRING: Final = 1 << 20


def listed(url: str, series: Series, asking: Asking, **words: str) -> tuple[bytes, str]:
    """A list of digests, verified as its YAML file says, and the line that says who vouches for it.

    Of a clearsigned list only what was signed comes back. InfrastructureError for what is not
    signed as it must be.
    """
    title = url.rpartition("/")[2]
    signature, upstream = series.traits.signature, series.upstream
    is_signed = signature is not None and signature.over == "list"
    content = asking.document(url, upstream, signed=is_signed, largest=LARGEST_LIST).content
    if signature is None or not is_signed:
        return content, vouching.by_tls(title)
    ring = keyring(signature, series, asking)
    name = series.fill(signature.file, list=title, **words)
    if name == title:
        content, signer = ring.opened_by(content, url)
    else:
        beside = f"{url.rpartition('/')[0]}/{name}"
        found = asking.document(beside, upstream, signed=True, largest=LARGEST_SIGNATURE)
        signer = ring.verify(content, found.content, url)
    pinned(signer, signature, url)
    return content, vouching.by_signature(title, signer)


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
