# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schemas of manifests, of a decision and of a changelog, made from the models.

After a change of a model: `python -m builder.manifest.schema > schema/manifest.schema.json`, and
the same with `imported`, `decision` and `changelog`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from builder.manifest.changelog import ImageChangelog
from builder.manifest.decision import Decision
from builder.manifest.imported import Imported
from builder.manifest.model import Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Names, not addresses: nothing has to be reachable for a schema to be used.
MODELS: dict[str, tuple[type[BaseModel], str, str]] = {
    "manifest": (Manifest, "urn:fai-forge:v1:image-manifest", "fai-forge image manifest"),
    "imported": (Imported, "urn:fai-forge:v1:imported-image", "fai-forge imported image"),
    "decision": (Decision, "urn:fai-forge:v1:decision", "fai-forge decision"),
    "changelog": (
        ImageChangelog,
        "urn:fai-forge:v1:image-changelog",
        "fai-forge image changelog",
    ),
}


class _Untitled(GenerateJsonSchema):
    """Without a title for each field: pydantic would make one from its name, which says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def schema(name: str = "manifest") -> dict[str, Any]:
    """The schema of one of the documents here."""
    return schema_of(*MODELS[name])


def schema_of(model: type[BaseModel], identifier: str, title: str) -> dict[str, Any]:
    """The schema of a document that a program writes: every field is there."""
    body = model.model_json_schema(by_alias=True, mode="serialization", schema_generator=_Untitled)
    return {"$schema": DIALECT, "$id": identifier, **body, "title": title}


def schema_text(name: str = "manifest") -> str:
    """A schema as it is committed."""
    return json.dumps(schema(name), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text(*sys.argv[1:]))
