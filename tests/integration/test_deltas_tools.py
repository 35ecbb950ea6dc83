# SPDX-License-Identifier: GPL-2.0-or-later
"""The published bytes of a disk come back, also where only the tools tree gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.builds import Builds
from builder.errors import InfrastructureError
from builder.manifest import document
from builder.paths import CACHE_VARIABLE
from builder.store.delta import disks
from tests.integration.harness import Forge


def test_the_tools_tree_gives_the_published_file(
    seed: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(seed.cache))
    monkeypatch.setattr(disks, "_by_host", lambda *_: None)
    (built,) = Builds(seed.out).all()
    (file,) = document.load(built.manifest).files
    raw = disks.to_raw(built.folder / file.name, file.format, tmp_path / "disk.raw")
    made = disks.published(raw, file.format, file.sha256, tmp_path)
    assert made.read_bytes() == (built.folder / file.name).read_bytes()
    with pytest.raises(InfrastructureError, match="is not the one that was published"):
        disks.published(raw, file.format, "0" * 64, tmp_path)
