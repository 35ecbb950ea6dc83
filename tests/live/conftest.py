# SPDX-License-Identifier: GPL-2.0-or-later
"""Live tests build the real debian-13 once, from the real archive, and boot that."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import account

__all__ = ["account"]

ROOT = Path(__file__).parents[2]
NAME = "debian-13"
# Kept after the tests: console logs and JUnit are what one looks at when a boot failed in CI.
REPORTS = ROOT / "reports"


@dataclass(frozen=True)
class Answer:
    """What a call of `fai-forge` gave."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)


def forge(*words: str | Path) -> Answer:
    """Call `fai-forge`; pytest's own clock is the only limit, and it ends with pytest."""
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "builder", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that holds one build of debian-13, as qcow2 and raw; emptied at the end."""
    folder = tmp_path_factory.mktemp("live")
    built = forge("build", NAME, "--out", folder, "--format", "qcow2", "--format", "raw")
    assert built.code == 0, built.err
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def live_image(out: Path) -> Path:
    """The qcow2 of that build."""
    (image,) = out.glob(f"{NAME}/*/*.qcow2")
    return image
