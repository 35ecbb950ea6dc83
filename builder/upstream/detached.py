# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures over images themselves, which can be verified only when the whole image is here."""

from __future__ import annotations

from pathlib import Path

from builder.downloads.pieces import WrongContent
from builder.errors import InfrastructureError
from builder.imports import vouching
from builder.imports.bringing import Vouch
from builder.imports.vouching import LARGEST_SIGNATURE
from builder.upstream import signing
from builder.upstream.asking import Asking
from builder.upstream.finding import Found


def vouch(found: Found, asking: Asking) -> Vouch | None:
    """What verifies an image by the signature beside it; None where none is over the image.

    The signature is fetched at once: who has none need not send the image first.
    """
    series, signature = found.series, found.series.traits.signature
    if signature is None or signature.over != "image":
        return None
    name = series.fill(signature.file, file=found.candidate.file, list=found.candidate.file)
    url = found.candidate.beside(name)
    ring = signing.keyring(signature, series, asking)
    document = asking.document(url, series.upstream, signed=True, largest=LARGEST_SIGNATURE)

    def verified(path: Path) -> str:
        try:
            signer = ring.verify_file(path, document.content, found.candidate.file)
            signing.pinned(signer, signature, found.candidate.file)
        except InfrastructureError as error:
            # Not to be believed, and so not to be kept either.
            raise WrongContent(error.message, hint=error.hint) from error
        return vouching.by_signature(name, signer)

    return verified
