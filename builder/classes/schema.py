# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schemas of a class's YAML files, which editors check and complete with.

After a change of a model: `python -m builder.classes.schema > schema/class.schema.json`, and
`python -m builder.classes.schema overlay > schema/overlay.schema.json`; the same for `offline` and
`known-issues`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from builder.classes.known_issues import KnownIssuesFile
from builder.classes.model import ClassFile
from builder.classes.offline import OfflineFile
from builder.classes.overlays import AdditionFile
from builder.documents import schema_of

SCHEMA_ID = "urn:fai-forge:v1:class"


def class_schema() -> dict[str, Any]:
    """The schema of the files that `builder.classes.load` reads."""
    return schema_of(ClassFile, SCHEMA_ID, "fai-forge class.yaml")


def addition_schema() -> dict[str, Any]:
    """The schema of an `overlay.yaml`."""
    return schema_of(AdditionFile, "urn:fai-forge:v1:overlay", "fai-forge overlay.yaml")


def offline_schema() -> dict[str, Any]:
    """The schema of a `tests/offline.yaml`."""
    return schema_of(OfflineFile, "urn:fai-forge:v1:offline", "fai-forge tests/offline.yaml")


def known_issues_schema() -> dict[str, Any]:
    """The schema of a `known-issues.yaml`."""
    return schema_of(
        KnownIssuesFile, "urn:fai-forge:v1:known-issues", "fai-forge known-issues.yaml"
    )


SCHEMAS = {
    "class": class_schema,
    "known-issues": known_issues_schema,
    "offline": offline_schema,
    "overlay": addition_schema,
}


def schema_text(which: str = "class") -> str:
    """A schema as it is committed."""
    return json.dumps(SCHEMAS[which](), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text(*sys.argv[1:]))
