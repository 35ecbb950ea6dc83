# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema of `facility.yaml`, made from the model; editors check and complete with it.

After a change of the model: `python -m builder.facility.schema > schema/facility.schema.json`.
"""

from __future__ import annotations

import json
import sys

from builder.documents import schema_of
from builder.facility.config import Facility

SCHEMA_ID = "urn:fai-forge:v1:facility"


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema_of(Facility, SCHEMA_ID, "fai-forge facility.yaml"), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
