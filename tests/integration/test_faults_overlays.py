# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds with overlays from outside: what they bring, and each fault in one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from builder.manifest import document
from tests.integration.harness import Account, Forge, only_root
from tests.integration.test_overlays_git import NOBODY, call, commit

CLASS = """\
class: OURS
kind: role
token: ours
summary: Ours
order: 800
"""
SCRIPT = """\
#!/bin/bash
set -euo pipefail
fcopy -M /etc/ours
"""
FILES = {
    "OURS/class.yaml": CLASS,
    "OURS/scripts/OURS/10-ours": SCRIPT,
    "OURS/files/etc/ours/OURS": "ours\n",
}
Make = Callable[[str, Mapping[str, str]], Path]


@pytest.fixture
def overlay(home: Path) -> Iterator[Make]:
    """Make overlays that every user may read."""
    made: list[Path] = []

    def make(name: str, files: Mapping[str, str]) -> Path:
        root = home / name
        made.append(root)
        for path, text in files.items():
            target = root / "classes" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o755 if "/scripts/" in path else 0o644)
        return root

    yield make
    for root in made:
        shutil.rmtree(root, ignore_errors=True)


def refused(forge: Forge, *words: str | Path, name: str = "debian-13-ours") -> str:
    """What a build says that is wrong usage; nothing is left of it."""
    running = forge.build(*map(str, words), name=name)
    assert running.process.returncode == 2, running.text
    assert "Traceback" not in running.text
    assert forge.left(name) == []
    (sentence,) = (line for line in running.said if line.startswith("fai-forge: "))
    return sentence


def test_a_role_from_a_pinned_repository_is_built(forge: Forge, overlay: Make) -> None:
    root = overlay("ours", FILES)
    call(root, "init", "-q", "-b", "main")
    pinned = f"file://{root}#{commit(root)}"
    name = "debian-13-ours"
    running = forge.build("--overlay", pinned, "--format", "rootfs.tar.xz", name=name)
    assert running.process.returncode == 0, running.text
    (file,) = (forge.out / name).glob("[0-9]*/*.manifest.json")
    manifest = document.load(file)
    (found,) = (each for each in manifest.build.commits if each.overlay == "ours")
    assert found.commit == pinned.partition("#")[2]
    assert (found.dirty, found.origin) == (False, f"file://{root}")
    assert f"--overlay '{pinned}'" in manifest.build.command
    origins = {each.path: each.overlay for each in manifest.build.config_space.files}
    assert origins["files/etc/ours/OURS"] == "ours/OURS"
    (tree,) = file.parent.glob("*.rootfs.tar.xz")
    listed = subprocess.run(["tar", "-tJf", tree], check=True, capture_output=True, text=True)
    assert any(line.endswith("etc/ours") for line in listed.stdout.splitlines())


def test_a_plain_user_builds_with_the_overlay_of_another(
    forge: Forge, overlay: Make, account: Account
) -> None:
    """The repository belongs to root, and git is still asked for its commit."""
    only_root("make files of another user")
    root = overlay("theirs", FILES)
    call(root, "init", "-q", "-b", "main")
    commit(root)
    script = (
        "import sys; from pathlib import Path; from builder.provenance import revision;"
        "print(revision(Path(sys.argv[1])).commit)"
    )
    done = subprocess.run(
        [*account.prefix, sys.executable, "-c", script, str(root)],
        env=forge.environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == call(root, "rev-parse", "HEAD")


def test_two_overlays_with_the_same_file(forge: Forge, overlay: Make) -> None:
    one = overlay("one", FILES)
    two = overlay("two", {"OURS/files/etc/ours/OURS": "theirs\n"})
    assert refused(forge, "--overlay", one, "--overlay", two) == (
        "fai-forge: the overlays one/OURS and two/OURS both bring files/etc/ours/OURS\n"
    )


def test_a_role_that_conflicts(forge: Forge, overlay: Make) -> None:
    more = "conflicts: {OTHER: two of a kind do not go together}\n"
    root = overlay("ours", {**FILES, "OURS/class.yaml": CLASS + more})
    sentence = refused(forge, "--overlay", root, name="debian-13-other-ours")
    assert "two of a kind do not go together" in sentence


def test_a_commit_that_does_not_exist(forge: Forge, overlay: Make) -> None:
    root = overlay("ours", FILES)
    call(root, "init", "-q", "-b", "main")
    commit(root)
    assert refused(forge, "--overlay", f"file://{root}#{NOBODY}") == (
        f"fai-forge: the overlay file://{root} has no commit {NOBODY}\n"
    )


def test_replacing_what_nobody_has(forge: Forge, overlay: Make) -> None:
    text = CLASS + "replaces: [files/etc/our/OURS]\n"
    root = overlay("ours", {**FILES, "OURS/class.yaml": text})
    assert "it replaces files/etc/our/OURS, which nobody has" in refused(forge, "--overlay", root)


def test_an_overlay_that_is_not_there(forge: Forge) -> None:
    said = refused(forge, "--overlay", "/nonexistent/ours")
    assert said == "fai-forge: the overlay /nonexistent/ours: there is no such folder\n"


def test_an_overlay_that_the_sandbox_hides(forge: Forge) -> None:
    only_root("write to /run")
    root = Path("/run/fai-forge-test-overlay")
    try:
        (root / "classes/OURS").mkdir(parents=True)
        (root / "classes/OURS/class.yaml").write_text(CLASS)
        assert "cannot be seen by a build, which has a /run" in refused(forge, "--overlay", root)
    finally:
        shutil.rmtree(root)


def test_a_package_that_no_release_has(forge: Forge, overlay: Make) -> None:
    root = overlay("ours", {**FILES, "OURS/package_config/OURS": "PACKAGES install\nnosuchthing\n"})
    running = forge.build("--overlay", str(root), name="debian-13-ours")
    assert running.process.returncode == 1
    assert "the archive has no such package: nosuchthing" in running.text
    assert "Traceback" not in running.text
