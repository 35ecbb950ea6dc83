# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make` would run, by its goals; nothing is run."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.integration.harness import ROOT


def make(*words: str) -> subprocess.CompletedProcess[str]:
    argv = ["make", "--dry-run", "--no-print-directory", *words]
    # `make test` hands its own options and variables on.
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFL"))
    }
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def forge(*words: str) -> list[list[str]]:
    """The words behind each `fai-forge` that would be called."""
    done = make(*words)
    assert done.returncode == 0, done.stderr
    calls = [line.split() for line in done.stdout.splitlines() if "/fai-forge " in line]
    return [call[1:] for call in calls]


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        (["debian-13"], [["build", "debian-13"]]),
        (["debian-13-hypervisor", "upload"], [["build", "debian-13-hypervisor", "--upload"]]),
        (
            ["debian-13", "debian-12", "upload"],
            [["build", "debian-13", "--upload"], ["build", "debian-12", "--upload"]],
        ),
        (
            ["debian-13", "upload", "ARGS=--format raw"],
            [["build", "debian-13", "--upload", "--format", "raw"]],
        ),
    ],
)
def test_images_are_built_and_uploaded_where_asked(
    words: list[str], calls: list[list[str]]
) -> None:
    assert forge(*words) == calls


def test_upload_alone_says_what_to_do() -> None:
    done = make("upload")
    assert done.returncode != 0
    assert "make debian-13 upload" in done.stderr
