# SPDX-License-Identifier: GPL-2.0-or-later
"""Tags of OCI images: another name for an image that is in a registry already.

Only the manifest is read, and written under the new name byte by byte; no layer is moved, and the
parts of a multi-arch index stay where they are. So the digest, which is what people pin, is the
same under both names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from builder.errors import InfrastructureError
from builder.store.promoting import Outcome, Promotion
from builder.store.registry import Document, Registry
from builder.store.tags import TagRow

OpenRegistry = Callable[[str], Registry]
# As much of a digest as a person needs to see.
SHORT = len("sha256:") + 12


@dataclass(frozen=True)
class OciPromotion:
    """What happens to one tag; `document` is what it will name, where it is to be created."""

    promotion: Promotion
    document: Document | None = None


def promotions(
    rows: Iterable[TagRow], open_registry: OpenRegistry = Registry
) -> tuple[OciPromotion, ...]:
    """What each row would do; a registry that cannot be read is an InfrastructureError."""
    return tuple(_promotion(row, open_registry(row.name)) for row in rows)


def create(planned: OciPromotion, open_registry: OpenRegistry = Registry) -> None:
    """Create the tag, unless it is there now, and read it back.

    Raises InfrastructureError if it is on another image, which somebody else promoted meanwhile.
    """
    tag, document = planned.promotion.tag, planned.document
    assert document is not None
    registry = open_registry(planned.promotion.name)
    found = registry.get(tag)
    if found is None:
        registry.put(tag, document)
        found = registry.get(tag)
    if found is None or found.content != document.content:
        digest = found.digest[:SHORT] if found else "nothing"
        raise InfrastructureError(
            f"the tag {tag} of {planned.promotion.name} is on {digest} now, not on"
            f" {document.digest[:SHORT]}",
            hint="somebody else wrote it at the same time; run promote --dry-run to see it",
        )


def _promotion(row: TagRow, registry: Registry) -> OciPromotion:
    def answer(outcome: Outcome, reason: str, document: Document | None = None) -> OciPromotion:
        promotion = Promotion(row.name, row.tag, row.src_build_tag, outcome, reason, row.src_ref)
        return OciPromotion(promotion, document)

    source = registry.get(row.src_build_tag)
    if source is None:
        return answer("refused", f"the registry has no {row.src_build_tag}")
    there = registry.get(row.tag)
    if there is None:
        return answer("create", source.digest[:SHORT], source)
    if there.content == source.content:
        return answer("there", f"{row.src_build_tag} has it")
    return answer("refused", f"it is on {there.digest[:SHORT]}, which is another image, and stays")
