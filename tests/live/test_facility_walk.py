# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of facilities, walked to its end: a build goes into a pool, and boots from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import home
from tests.integration.test_facility_walk import Portal, check, pool, portal, walked

__all__ = ["home", "pool", "portal"]

# The page boots a file, whose way in is cloud-init: debian-13-slim has none.
IMAGE = "debian-13-cloud"


@pytest.mark.thorough
def test_a_build_boots_from_the_pool(tmp_path: Path, portal: Portal, pool: str) -> None:
    found = walked(tmp_path, portal, pool, image=IMAGE, environment={}, boots=True)
    check(found, IMAGE)
    assert "uefi" in found.done.stdout
