# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema of `class.yaml`, made from the model; editors check and complete with it.

After a change of the model: `python -m builder.classes.schema > schema/class.schema.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from builder.classes.model import ClassFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A name, not an address: nothing has to be reachable for the schema to be used.
SCHEMA_ID = "urn:fai-forge:v1:class"


class _Plain(GenerateJsonSchema):
    """Without titles made from field names, and without null: a field is there or it is not."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}


def class_schema() -> dict[str, Any]:
    """The schema of the files that `builder.classes.load` reads."""
    body = ClassFile.model_json_schema(by_alias=True, schema_generator=_Plain)
    return {"$schema": DIALECT, "$id": SCHEMA_ID, **body, "title": "fai-forge class.yaml"}


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(class_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
