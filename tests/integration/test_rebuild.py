# SPDX-License-Identifier: GPL-2.0-or-later
"""A build made again from its manifest alone, and what is said where something changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.integration.harness import NAME, Forge


def rebuild(forge: Forge, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "builder", "rebuild", *argv],
        check=False,
        cwd="/",
        env=forge.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_the_same_file_comes_from_the_manifest_alone(forge: Forge, tmp_path: Path) -> None:
    built = forge.build("--format", "qcow2", "--serial", "20261101")
    assert built.process.returncode == 0, built.text
    folder = forge.out / NAME / "20261101"
    manifest = tmp_path / "manifest.json"
    shutil.copy(folder / f"{NAME}-20261101.manifest.json", manifest)
    original = (folder / f"{NAME}-20261101.qcow2").read_bytes()
    shutil.rmtree(folder)

    again = tmp_path / "again"
    done = rebuild(forge, str(manifest), "--out", str(again), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["same"], answer["inputs"], answer["packages"]) == (True, [], [])
    assert (again / NAME / "20261101" / f"{NAME}-20261101.qcow2").read_bytes() == original

    # One more line in a script of a class.
    script = forge.project / "classes/TINY/scripts/TINY/10-tiny"
    before = script.read_text()
    script.write_text(f'{before}echo more > "$target/etc/more"\n')
    try:
        done = rebuild(forge, str(manifest))
    finally:
        script.write_text(before)
    assert done.returncode == 3
    assert f"DIFFER  {answer['files'][0]['first']}  {NAME}-20261101.qcow2" in done.stdout
    assert "config space: " in done.stderr
    assert f"{NAME}-20261101 was not made again" in done.stderr
    assert "it was built from other classes" in done.stderr
