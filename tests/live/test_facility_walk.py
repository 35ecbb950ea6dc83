# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of facilities, walked to its end: a build goes into a pool, and boots from there."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import home
from tests.integration.test_facility_walk import Portal, check, pool, portal, walked

__all__ = ["home", "pool", "portal"]

# Of the images that boot, the one that is built fastest.
IMAGE = "debian-13-slim"


def test_a_build_boots_from_the_pool(tmp_path: Path, portal: Portal, pool: str) -> None:
    found = walked(tmp_path, portal, pool, image=IMAGE, environment={}, boots=True)
    check(found, IMAGE)
    assert "uefi" in found.done.stdout
