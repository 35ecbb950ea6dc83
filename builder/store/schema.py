# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema of a store's index, made from its model.

After a change of the model: `python -m builder.store.schema > schema/store-index.schema.json`.
"""

from __future__ import annotations

import json
import sys

from builder.manifest.schema import schema_of
from builder.store.index import StoreIndex


def schema_text() -> str:
    """The schema as it is committed."""
    schema = schema_of(StoreIndex, "urn:fai-forge:v1:store-index", "fai-forge store index")
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
