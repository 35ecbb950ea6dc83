# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree that the tests of checks spoil."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.checks import accounts, permissions
from tests.unit.checks.tree import make


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Only root can give files to root, so whoever runs the tests is root here.
    monkeypatch.setattr(permissions, "ROOT", os.getuid())
    mine = range(os.getuid(), os.getuid() + 1)
    monkeypatch.setattr(accounts, "PACKAGE_IDS", (*accounts.PACKAGE_IDS, mine))
    make(tmp_path)
    return tmp_path
