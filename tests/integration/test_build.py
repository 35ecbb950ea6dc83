# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds that succeed: what is in the folder, what is said, and that they can be repeated."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from builder.manifest import document
from builder.manifest.decision import Decision, Decisions, Reason
from tests.integration.harness import NAME, ROOT, Forge

DECISION = Decision(
    name=NAME,
    date=datetime(2026, 11, 20, tzinfo=UTC),
    policy="security",
    answer="publish",
    reasons=(Reason(kind="first", effect="publish", text="nothing is published yet"),),
)


def test_a_build_is_whole_and_told_as_json(forge: Forge) -> None:
    # Each needs other programs of the tools tree, down to the shell that tar calls.
    wanted = ["rootfs.tar.xz", "vmdk", "vhdx"]
    argv = ["build", NAME, "--out", str(forge.out), "--json"]
    argv += [word for each in wanted for word in ("--format", each)]
    asked = forge.out / "decision.json"
    asked.write_text(Decisions(decisions=(DECISION,)).model_dump_json(by_alias=True))
    argv += ["--decision", str(asked)]
    epoch = 1_700_000_000
    env = {**forge.environment(), "SOURCE_DATE_EPOCH": str(epoch)}
    done = subprocess.run(
        [sys.executable, "-m", "builder", *argv],
        check=False,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    folder = Path(answer["folder"])
    stem = f"{NAME}-{answer['serial']}"
    assert folder == forge.out / NAME / answer["serial"]
    assert forge.left() == [answer["serial"]]
    # All came from the cache.
    assert answer["downloadedBytes"] == 0
    assert sorted(file["format"] for file in answer["files"]) == sorted(wanted)
    assert {path.name for path in folder.iterdir()} == {
        *(file["name"] for file in answer["files"]),
        f"{stem}.manifest",
        f"{stem}.manifest.json",
        f"{stem}.fai.log.gz",
        f"{stem}.build.log.gz",
    }
    # What was run is in the log, and not on the screen.
    with gzip.open(folder / f"{stem}.build.log.gz", "rt") as lines:
        assert any("run: apt-get update" in line for line in lines)
    assert "run: " not in done.stderr
    manifest = document.load(Path(answer["manifest"]))
    assert (manifest.name, manifest.serial) == (NAME, answer["serial"])
    assert manifest.build.source_date_epoch == epoch
    assert manifest.decision == DECISION
    assert "netbase" in {package.name for package in manifest.packages}
    assert f"SOURCE_DATE_EPOCH={epoch} fai-forge build {NAME}" in manifest.build.command
    stages = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert len(stages) == len(answer["seconds"])


def test_two_builds_give_the_same_bytes(forge: Forge) -> None:
    """The same name, serial and time: in memory and on disk, in different folders."""
    digests = set()
    for option in ("memory", "disk"):
        one = replace(forge, out=forge.out / option)
        running = one.build("--serial", "20261120", "--workspace", option, "--format", "raw")
        assert running.process.returncode == 0, running.text
        stem = f"{NAME}-20261120"
        manifest = document.load(one.out / NAME / "20261120" / f"{stem}.manifest.json")
        digests.add(manifest.files[0].sha256)
    assert len(digests) == 1
