# SPDX-License-Identifier: GPL-2.0-or-later
"""A run's folder: private, gone with the run, swept after a run that was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError
from builder.rundir import run_folder, sweep


def test_the_folder_is_private_and_goes(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "disk.qcow2").touch()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_goes_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), run_folder(tmp_path):
        raise ValueError("x")
    assert list(tmp_path.iterdir()) == []


def test_a_live_run_is_not_swept(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        assert sweep(tmp_path) == []
        assert folder.is_dir()


def leftover(parent: Path, name: str) -> Path:
    """What a killed run leaves."""
    folder = parent / name
    folder.mkdir()
    (folder / "disk.qcow2").touch()
    Path(parent, f"{name}.lock").touch()
    return folder


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    dead = leftover(tmp_path, "run-dead")
    (tmp_path / "run-gone.lock").touch()
    with run_folder(tmp_path) as folder:
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {folder.name, f"{folder.name}.lock"}
    assert not dead.exists()


def test_leftovers_that_cannot_be_removed_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = leftover(tmp_path, "run-foreign")

    def denied(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", denied)
    with pytest.raises(InfrastructureError, match="cannot be removed") as caught:
        sweep(tmp_path)
    assert str(folder) in caught.value.message
    assert "as root" in caught.value.hint
    # It is tried again by the next run.
    assert (tmp_path / "run-foreign.lock").exists()


def test_a_kept_folder_stays(tmp_path: Path) -> None:
    with run_folder(tmp_path, keep=True) as folder:
        pass
    assert sweep(tmp_path) == []
    assert folder.is_dir()
