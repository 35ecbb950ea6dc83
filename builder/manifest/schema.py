# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema of the manifest, made from the model.

After a change of the model: `python -m builder.manifest.schema > schema/manifest.schema.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from builder.manifest.model import Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A name, not an address: nothing has to be reachable for the schema to be used.
SCHEMA_ID = "urn:fai-forge:v1:image-manifest"


class _Untitled(GenerateJsonSchema):
    """Without a title for each field: pydantic would make one from its name, which says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def manifest_schema() -> dict[str, Any]:
    """The schema of the documents that `dump` writes: every field is there."""
    body = Manifest.model_json_schema(
        by_alias=True, mode="serialization", schema_generator=_Untitled
    )
    return {"$schema": DIALECT, "$id": SCHEMA_ID, **body, "title": "fai-forge image manifest"}


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
