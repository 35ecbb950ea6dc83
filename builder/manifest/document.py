# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and writing the manifest document, and the digest of what two equal builds share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from builder.errors import UsageError
from builder.manifest import imported
from builder.manifest.imported import Document, Imported
from builder.manifest.model import KIND, Manifest
from builder.manifest.parts import API_VERSION

# What may differ between two builds that gave the same image, by path in the document, and why.
VOLATILE: dict[tuple[str, ...], str] = {
    (
        "build",
        "faiVersion",
    ): "hosts have different FAI versions, and the image must not depend on it",
    ("build", "date"): "the clock",
    ("build", "jobLink"): "every CI job has its own",
    ("build", "command"): "may name a mirror or a folder of the machine",
    ("build", "host"): "the machine",
    ("build", "commits", "*", "origin"): "one repository has many addresses and copies",
    ("checks",): "told about the image, not part of it; grows with the set of checks",
    ("boots",): "told about the image, not part of it; depends on where it was booted",
    ("decision",): "depends on what was published at the time",
}
# The same for each file that is not reproducible: its bytes differ, what it is does not.
VOLATILE_BYTES = ("size", "sha256", "sha512")

FOREIGN = f"fai-forge's manifests start with apiVersion: {API_VERSION} and kind: {KIND}"
UPGRADE = "a newer fai-forge may have written it: upgrade this one, or fetch the file again"


MODELS: dict[str, type[Manifest] | type[Imported]] = {KIND: Manifest, imported.KIND: Imported}


def dump(manifest: Document) -> str:
    """The document as JSON: two spaces of indentation, the models' order, one final newline."""
    return _to_json(_plain(manifest))


def load(path: Path) -> Manifest:
    """Read a manifest; a file that is missing, broken or foreign raises UsageError."""
    return parse(_text(path), str(path))


def load_any(path: Path) -> Document:
    """As `load`, and also of an image that others built."""
    return parse_any(_text(path), str(path))


def parse(text: str, where: str) -> Manifest:
    """Read a manifest from its text; `where` names it in errors (UsageError)."""
    found = parse_any(text, where)
    if isinstance(found, Imported):
        raise UsageError(
            f"{where} is about an image that fai-forge did not build",
            hint="of such an image only its files and its origin are known",
        )
    return found


def parse_any(text: str, where: str) -> Document:
    """As `parse`, and also of an image that others built."""
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{where} is not a JSON document: {error}", hint="fetch or build it again"
        ) from error
    model = MODELS[_kind(head, where)]
    try:
        # Strict: a manifest is written by programs, so a number in quotes is a sign of damage.
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(f"{where}: {field}: {first['msg']}", hint=UPGRADE) from error


def stable_digest(manifest: Manifest) -> str:
    """The sha256 (hex) of all that two builds of the same image from the same input must share.

    That is the document without `VOLATILE`, and without the bytes of files that are not
    reproducible.
    """
    document = _plain(manifest)
    for *parents, last in VOLATILE:
        parts: list[Any] = [document]
        for parent in parents:
            # "*" is every member of a list.
            parts = [each for part in parts for each in (part if parent == "*" else [part[parent]])]
        for part in parts:
            del part[last]
    for file in document["files"]:
        if not file["reproducible"]:
            for field in VOLATILE_BYTES:
                del file[field]
    return hashlib.sha256(_to_json(document).encode()).hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the manifest {path}: {reason}") from error


def _plain(manifest: Document) -> dict[str, Any]:
    return manifest.model_dump(mode="json", by_alias=True)


def _to_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _kind(head: object, where: str) -> str:
    """Tell a foreign document from a newer one before its fields are looked at."""
    kind = head.get("kind") if isinstance(head, dict) else None
    version = head.get("apiVersion") if isinstance(head, dict) else None
    if kind not in MODELS or not isinstance(version, str):
        raise UsageError(f"{where} is not an image manifest", hint=FOREIGN)
    if version != API_VERSION:
        ours = version.partition("/")[0] == API_VERSION.partition("/")[0]
        raise UsageError(
            f"{where}: apiVersion is {version}, and this fai-forge reads {API_VERSION}",
            hint="upgrade fai-forge" if ours else FOREIGN,
        )
    return str(kind)
