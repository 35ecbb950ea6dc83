# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema of `class.yaml`, made from the model; editors check and complete with it.

After a change of the model: `python -m builder.classes.schema > schema/class.schema.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from builder.classes.model import ClassFile
from builder.documents import schema_of

SCHEMA_ID = "urn:fai-forge:v1:class"


def class_schema() -> dict[str, Any]:
    """The schema of the files that `builder.classes.load` reads."""
    return schema_of(ClassFile, SCHEMA_ID, "fai-forge class.yaml")


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(class_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
