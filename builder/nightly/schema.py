# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema of the document about a nightly, made from the model.

After a change of the model: `python -m builder.nightly.schema > schema/nightly.schema.json`.
"""

from __future__ import annotations

import json
import sys

from builder.manifest.schema import schema_of
from builder.nightly.model import NightlyRun

SCHEMA_ID = "urn:fai-forge:v1:nightly-run"


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema_of(NightlyRun, SCHEMA_ID, "fai-forge nightly run"), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
