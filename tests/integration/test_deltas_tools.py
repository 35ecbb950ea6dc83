# SPDX-License-Identifier: GPL-2.0-or-later
"""What needs the builder at a site: the tools tree's qemu-img, and building an image again."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.builds import Builds
from builder.errors import InfrastructureError
from builder.facility.rebuilding import rebuild
from builder.manifest import document
from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE
from builder.store.delta import disks
from builder.store.index import Image
from tests.integration.harness import ROOT, Forge


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


def test_an_image_is_built_again(
    seed: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(seed.cache))
    monkeypatch.setenv(PROJECT_VARIABLE, str(seed.project))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (built,) = Builds(seed.out).all()
    (file,) = document.load(built.manifest).files
    image = Image(name=file.name, size=file.size, sha256=file.sha256, format=file.format)
    # Its packages are in the cache.
    assert rebuild(built.manifest, image, tmp_path / "image") == 0, caplog.text
    assert (tmp_path / "image").read_bytes() == (built.folder / file.name).read_bytes()
