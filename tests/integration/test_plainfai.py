# SPDX-License-Identifier: GPL-2.0-or-later
"""The written config space, as FAI's own programs see it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from builder.cli import main
from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config space of debian-13."""
    folder = tmp_path_factory.mktemp("plain") / "space"
    patch = pytest.MonkeyPatch()
    patch.delenv(PROJECT_VARIABLE, raising=False)
    patch.setenv(CACHE_VARIABLE, str(folder.parent / "cache"))
    assert main(["configspace", "debian-13", "-o", str(folder)]) == 0
    patch.undo()
    return folder


def test_fai_learns_the_classes(space: Path, tmp_path: Path) -> None:
    """fai-class is what `fai --new` calls."""
    listed = tmp_path / "classes"
    subprocess.run(
        ["fai-class", "-T", "-t", tmp_path, space / "class", listed],
        env={**os.environ, "HOSTNAME": "debian"},
        check=True,
        capture_output=True,
    )
    classes = listed.read_text().split()
    assert classes[0] == "DEFAULT"
    assert classes[-2:] == ["debian", "LAST"]
    assert {"DEBIAN", "TRIXIE", "AMD64", "BOOT"} <= set(classes)
    assert classes.index("DEBIAN") < classes.index("TRIXIE") < classes.index("BOOT")


def test_fai_reads_the_packages(space: Path) -> None:
    env = {**os.environ, "FAI": str(space), "classes": "DEFAULT TRIXIE SSHD LAST", "FAI_ROOT": "/x"}
    done = subprocess.run(
        ["install_packages", "-n", "-N"], env=env, check=True, capture_output=True, text=True
    )
    assert "openssh-server" in done.stderr


def variables(space: Path, **given: str) -> dict[str, str]:
    """What class/LAST.var sets, read as FAI does: by a bash that exports all."""
    script = f"set -aeu; FAI={space}; . {space}/class/LAST.var; env"
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": os.environ["PATH"], **given},
        check=True,
        capture_output=True,
        text=True,
    )
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs}


def test_scripts_find_the_variables_that_they_want(space: Path) -> None:
    found = variables(space)
    assert found["FORGE_NAME"] == "debian-13"
    assert found["FORGE_DISTRO"] == "debian"
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["FORGE_ROOT_UUID"])
    assert re.fullmatch("[0-9A-F]{4}-[0-9A-F]{4}", found["FORGE_ESP_UUID"])
    assert found["SOURCE_DATE_EPOCH"].isdigit()
    sources = Path(found["FORGE_IMAGE_SOURCES"]).read_text()
    assert "Suites: trixie trixie-updates" in sources
    assert found["FORGE_BUILD_SOURCES"] == found["FORGE_IMAGE_SOURCES"]
    used = {
        name
        for path in space.rglob("*")
        if path.is_file() and path.parent.parent.name in ("scripts", "space")
        for name in re.findall(r"\$\{?(FORGE_[A-Z_]+)\b(?!:-)", path.read_text())
    }
    # These are asked for only where fai-forge's own pool is.
    assert used - {"FORGE_POOL", "FORGE_MIRRORS", "FORGE_LISTS"} <= found.keys()


def test_what_is_set_already_stays(space: Path) -> None:
    found = variables(space, FORGE_ROOT_UUID="mine", FORGE_IMAGE_SOURCES="/mine")
    assert found["FORGE_ROOT_UUID"] == "mine"
    assert found["FORGE_BUILD_SOURCES"] == "/mine"


def test_only_a_new_or_empty_folder_is_written_to(
    space: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    assert main(["configspace", "debian-13", "-o", str(space)]) == 2
    assert "this folder is not empty" in capsys.readouterr().err
