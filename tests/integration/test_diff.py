# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge diff` as people call it: on builds, with .debs that dpkg made, and on the archive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.manifest import document
from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE
from builder.run import run
from tests.integration.harness import ROOT
from tests.unit import worlds
from tests.unit.test_manifest_diff import kernel, package

OLD, NEW = kernel("6.12.48-1"), kernel("6.12.57-1", "security")
BUILDS = {
    "20261101": [*OLD, "bash 5.2-2+b1 sv=5.2-2", "less 668-1", "nano 8.4-1"],
    "20261120": [*NEW, "bash 5.2-2+b2 sv=5.2-2", "less 669-1", "mc 4.8"],
}
CHANGELOG = """\
less (669-1) unstable; urgency=medium

  * Search faster (Closes: #1234).

 -- A Maintainer <maintainer@debian.invalid>  Wed, 18 Nov 2026 10:00:00 +0100

less (668-1) unstable; urgency=medium

  * Older.

 -- A Maintainer <maintainer@debian.invalid>  Wed, 18 Nov 2025 10:00:00 +0100
"""
Diff = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def diff(tmp_path: Path) -> Diff:
    """Call it on the builds, in the folder that has them in `out`."""
    for serial, packages in BUILDS.items():
        folder = tmp_path / "out/debian-13" / serial
        folder.mkdir(parents=True)
        date = datetime.strptime(serial, "%Y%m%d").replace(tzinfo=UTC)
        made = worlds.manifest(map(package, packages), date, [worlds.source(worlds.MAIN)])
        (folder / f"debian-13-{serial}.manifest.json").write_text(document.dump(made))

    def call(*words: str, project: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "builder", "diff", *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
                "COLUMNS": "80",
                PROJECT_VARIABLE: str(project),
                CACHE_VARIABLE: str(tmp_path / "cache"),
            },
        )

    return call


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("debian-13-20261101", "debian-13"),
        ("20261101", "debian-13-20261120"),
        ("out/debian-13/20261101", "20261120"),
        ("out/debian-13/20261101/debian-13-20261101.manifest.json", "trixie"),
    ],
)
def test_the_ways_to_name_two_builds(diff: Diff, old: str, new: str) -> None:
    done = diff(old, new)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == """\
debian-13: 20261101 -> 20261120
  Debian 13 (trixie), built 2026-11-01 -> built 2026-11-20
  5 source packages changed: 2 upgraded, 1 added, 1 removed, 1 rebuilt; 1 of
    them for security
  needs a reboot: linux

Security updates:
  linux 6.12.48-1 -> 6.12.57-1, needs a reboot
      linux-image-6.12.48+deb13-amd64 removed; linux-image-6.12.57+deb13-amd64
        added; linux-image-amd64

Upgrades:
  less 668-1 -> 669-1

Added:
  mc 4.8

Removed:
  nano 8.4-1

Rebuilt:
  bash 5.2-2
      bash 5.2-2+b1 -> 5.2-2+b2
"""
    )


def test_json_and_markdown(diff: Diff) -> None:
    answer = json.loads(diff("20261101", "debian-13", "--json").stdout)
    assert answer["kind"] == "ImageChangelog"
    assert answer["summary"]["deb"]["diff"] == ["bash", "less", "linux"]
    page = diff("20261101", "debian-13", "--markdown").stdout
    assert page.startswith("# debian-13: 20261101 → 20261120\n")
    assert "- **linux** 6.12.48-1 → 6.12.57-1, needs a reboot\n" in page


def test_entries_of_debs_that_dpkg_made(diff: Diff, tmp_path: Path) -> None:
    tree = tmp_path / "less"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: less\nVersion: 669-1\nArchitecture: amd64\nDescription: -\n"
        "Maintainer: A Maintainer <maintainer@debian.invalid>\n"
    )
    (tree / "usr/share/doc/less").mkdir(parents=True)
    changelog = tree / "usr/share/doc/less/changelog.Debian"
    changelog.write_text(CHANGELOG)
    run(["gzip", "-9n", changelog])
    debs = tmp_path / "debs"
    debs.mkdir()
    run(["dpkg-deb", "--root-owner-group", "--build", tree, debs / "less_669-1_amd64.deb"])

    done = diff("20261101", "debian-13", "--debs", str(debs))
    assert "      less 669-1 (unstable, medium)\n        * Search faster (Clo" in done.stdout
    assert "Older" not in done.stdout
    assert "is at hand of: bash, linux (--debs" in done.stderr
    assert "Search faster" not in diff("20261101", "debian-13", "--changes").stdout


def test_exit_codes(diff: Diff) -> None:
    assert diff("20261101", "debian-13", "--exit-code").returncode == 0
    same = diff("debian-13", "debian-13", "--exit-code")
    assert (same.returncode, same.stdout.splitlines()[-1]) == (5, "  nothing differs")
    assert diff("debian-13", "debian-13").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("debian-13", "yesterday"), "yesterday is no build: there is no such file or folder, and"),
        (("debian-13", "debian-13-20261119"), "no build of debian-13-20261119 in"),
        (("archive", "archive"), "do not say which image is meant"),
        (("debian-13", "debian-13", "--debs", "gone"), "gone is not a folder"),
        (("debian-13", "debian-13", "--json", "--markdown"), "not allowed with argument"),
    ],
)
def test_wrong_usage(diff: Diff, words: tuple[str, ...], said: str) -> None:
    done = diff(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_against_the_archive(diff: Diff, tiny: Path) -> None:
    """Debian's own archive: a tiny image of made-up packages would get real ones."""
    done = diff("debian-13", "archive", "--json", project=tiny)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["toImage"]["serial"] == "archive"
    assert "dpkg" in answer["summary"]["deb"]["added"]
    assert "mc" in answer["summary"]["deb"]["removed"]
    assert answer["configSpace"]["files"] is None
    (bash,) = [each for each in answer["diff"]["deb"] if each["name"] == "bash"]
    assert bash["fromVersion"] == "5.2-2"


def test_an_archive_that_is_not_there(diff: Diff, tiny: Path) -> None:
    done = diff("debian-13", "archive", "--exit-code", "--mirror", "file:///gone", project=tiny)
    assert done.returncode in (2, 4)
    assert "fai-forge: " in done.stderr
    assert done.stdout == ""


def test_advisories_of_a_project(diff: Diff, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for folder in ("fai-config", "classes"):
        (project / folder).mkdir(parents=True)
    (project / "images.yaml").write_text("images: []\nadvisories: {dsa: dsa-list}\n")
    (project / "dsa-list").write_text(
        "[18 Nov 2026] DSA-6100-1 linux - security update\n"
        "\t{CVE-2026-1000 CVE-2026-1001}\n"
        "\t[trixie] - linux 6.12.57-1\n"
    )
    done = diff("20261101", "debian-13", project=project)
    assert "        added; linux-image-amd64\n      DSA-6100-1: CVE-2026-1000, CVE" in done.stdout
    (project / "dsa-list").unlink()
    done = diff("20261101", "debian-13", project=project)
    assert (done.returncode, "linux 6.12.48-1 -> 6.12.57-1" in done.stdout) == (0, True)
    assert "some advisories are not known" in done.stderr
