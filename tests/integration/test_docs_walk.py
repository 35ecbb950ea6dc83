# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/own-classes.md, as a reader walks it: a role in its own repository, and a real build."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from builder.manifest import document
from tests.integration.harness import ROOT

PAGE = ROOT / "docs" / "own-classes.md"
BLOCK = re.compile(r"^```sh\n(?P<text>.*?)^```$", re.M | re.S)
IMAGE = "debian-13-slim-monitored"
IDENTITY = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")


def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    programs, work = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    work.mkdir()
    forge = programs / "fai-forge"
    forge.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m builder "$@"\n')
    forge.chmod(0o755)
    before = project_state()
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 6
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)],
        cwd=work,
        env={
            **{name: value for name, value in os.environ.items() if name != "FAI_FORGE_SITE"},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{name}": "walk@example.org" for name in IDENTITY},
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 folder checked" in done.stdout
    assert "(our-classes/SSHD)" in done.stdout
    assert "(our-classes/MONITORED)" in done.stdout

    (file,) = work.glob(f"out/{IMAGE}/*/*.manifest.json")
    manifest = document.load(file)
    brought = {each.name: each.overlay for each in manifest.classes}
    assert brought["MONITORED"] == "our-classes/MONITORED"
    assert brought["SLIM"] == "SLIM"
    (commit,) = (each for each in manifest.build.commits if each.overlay == "our-classes")
    log = ["git", "-C", str(work / "our-classes"), "rev-list", "HEAD"]
    _, first = subprocess.run(log, check=True, capture_output=True, text=True).stdout.split()
    assert (commit.commit, commit.dirty) == (first, False)
    assert commit.origin == str(work / "our-classes")
    assert str(commit.commit) in done.stdout
    assert "prometheus-node-exporter" in {each.name for each in manifest.packages}
    assert f"--overlay {work / 'our-classes'}" in manifest.build.command
    assert project_state() == before


def project_state() -> str:
    """What git sees changed in the project's classes: the walk must change nothing there."""
    git = ["git", "-C", str(ROOT), "-c", "safe.directory=*", "status", "--porcelain", "--ignored"]
    argv = [*git, "--", "classes", "fai-config", "images.yaml"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
