# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plan foresees is what a build has, name by name and version by version.

On the real archive, for series that differ in release, architecture and roles. What is booted is
looked at in test_boot.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from builder import names, paths, pipeline
from builder.manifest import document
from builder.planning.prospect import Ground, look
from tests.live.conftest import ROOT, forge

OTHERS = (
    "debian-13-slim",
    "debian-12-cloud",
    pytest.param("debian-13-slim-arm64", marks=pytest.mark.thorough),
)


def assert_foreseen(folder: Path, name: str) -> None:
    """The only build in `folder` is what a plan of the same minute says that it would be."""
    (built,) = folder.glob(f"{name}/*/*.manifest.json")
    manifest = document.load(built)
    ground = Ground(ROOT, pipeline.catalogue(ROOT), paths.cache())
    prospect = look(ground, names.parse(name))
    assert {each.key: each.version for each in prospect.packages} == {
        each.shared().key: each.version for each in manifest.packages
    }
    assert prospect.config == manifest.build.config_space.digest


@pytest.mark.parametrize("name", OTHERS)
def test_another_series(name: str, tmp_path: Path) -> None:
    built = forge("build", name, "--out", tmp_path, "--format", "qcow2")
    assert built.code == 0, built.err
    assert_foreseen(tmp_path, name)
    # And so nothing is to be done about it.
    planned = forge("plan", name, "--store", tmp_path, "--exit-code", "--json")
    assert planned.code == 5, planned.err
    (decision,) = planned.json()["decisions"]
    assert (decision["answer"], decision["reasons"]) == ("skip", [])
    shutil.rmtree(tmp_path)
