# SPDX-License-Identifier: GPL-2.0-or-later
"""A store that cannot be read is never one in which nothing is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.planning.published import FolderStore, open_store
from tests.unit.worlds import MAIN, NOW, manifest, source


def a_manifest(serial: str, name: str = "debian-13") -> Manifest:
    made = manifest((), NOW, (source(MAIN),))
    return made.model_copy(update={"serial": serial, "name": name})


def put(store: Path, made: Manifest, series: str = "debian-13") -> None:
    folder = store / series / made.serial
    folder.mkdir(parents=True)
    text = document.dump(made)
    (folder / f"{series}-{made.serial}.manifest.json").write_text(text)


def test_the_newest_serial_counts(tmp_path: Path) -> None:
    store = open_store(tmp_path, must_exist=True)
    assert store.newest("debian-13") is None
    for serial in ("20261101.2", "20261101.10", "20261031"):
        put(tmp_path, a_manifest(serial=serial))
    (tmp_path / "debian-13/.20261102.partial").mkdir()
    (tmp_path / "debian-13/20261103.failed").mkdir()
    found = store.newest("debian-13")
    assert found is not None
    assert found.serial == "20261101.10"
    assert store.newest("debian-12") is None


def test_a_series_without_a_finished_build(tmp_path: Path) -> None:
    (tmp_path / "debian-13").mkdir()
    assert FolderStore(tmp_path).newest("debian-13") is None


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        open_store(tmp_path / "none", must_exist=True)
    assert open_store(tmp_path / "none", must_exist=False).newest("debian-13") is None


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "debian-12").touch()
    with pytest.raises(InfrastructureError, match="cannot be read"):
        store.newest("debian-12")
    put(tmp_path, a_manifest(name="debian-13-slim", serial="20261101"))
    with pytest.raises(UsageError, match="is the manifest of debian-13-slim"):
        store.newest("debian-13")
    (tmp_path / "debian-13/20261102").mkdir()
    with pytest.raises(UsageError, match="cannot read the manifest"):
        store.newest("debian-13")
