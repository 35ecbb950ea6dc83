# SPDX-License-Identifier: GPL-2.0-or-later
"""What is tried in the guest of a build: what each of its classes has for that."""

from __future__ import annotations

from pathlib import Path

from builder import pipeline
from builder.guest import promised
from builder.manifest.model import FaiClass
from tests.published import manifest

PROJECT = Path(__file__).parents[2]


def test_each_class_brings_its_tests_and_its_reviewed_errors() -> None:
    """FORKY has no tests of its own, and a list of errors nevertheless."""
    known = pipeline.catalogue(PROJECT)
    classes = tuple(FaiClass(name=name, overlay=name) for name in ("FORKY", "HYPERVISOR"))
    build = manifest("20261121").model_copy(update={"classes": classes})
    found = promised.of_build(build, known)
    assert [path.parent.parent.name for path in found.reviewed] == ["FORKY", "HYPERVISOR"]
    assert {path.parent.parent.name for path in found.files} == {"HYPERVISOR"}
