# SPDX-License-Identifier: GPL-2.0-or-later
"""The pipeline files are run, not only parsed: on this machine, by gitlab-ci-local and a shell.

Each job runs in a folder of its own, with the tracked files and the artifacts of the jobs that it
needs, as on a runner. gitlab-ci-local knows no artifacts of another pipeline, so the plan gets into
the pipeline below by being added to the checkout.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from builder import paths
from builder.manifest import document
from tests.integration.harness import IN_CI
from tests.integration.signing import key_home
from tests.live.conftest import ROOT

pytestmark = pytest.mark.thorough

# The last one for Node.js 18, which Debian 12 has.
RUNNER = "gitlab-ci-local@4.63.0"
PROGRAMS = {"npm": "npm", "node": "nodejs", "rsync": "rsync"}
PROJECT = "https://gitlab.example.org/images/fai-forge"
IMAGE = "debian-13-slim"
# "images" stands for the pipeline below.
JOBS = (
    "plan",
    "images",
    "decisions",
    *(f"{step} {IMAGE}" for step in ("build", "boot", "publish")),
    *("promote", "expire", "site"),
)


@dataclass(frozen=True)
class Local:
    """A checkout, and what stands in the place of GitLab and its runners."""

    program: Path
    home: Path
    checkout: Path

    def run(self, *words: str) -> str:
        """What a pipeline says; it may fail, as that is told by its jobs."""
        done = subprocess.run(
            [self.program, "--home", self.home, "--force-shell-executor", *words],
            cwd=self.checkout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def nightly(self, *jobs: str) -> str:
        """What these jobs (or all) of a scheduled pipeline say, and the pipeline that they start.

        Jobs that are named would be looked for in the pipeline below, too.
        """
        schedule = ("--variable", "CI_PIPELINE_SOURCE=schedule")
        return self.run("--shell-isolation", *schedule, *jobs)

    def git(self, *words: str) -> None:
        """Call git in the checkout."""
        subprocess.run(["git", "-C", self.checkout, *words], check=True, capture_output=True)

    def variables(self, **values: object) -> None:
        """Set the project's variables, those that are files by their paths.

        A file variable of its own would be copied into /tmp, and left there.
        """
        known = {
            name: {"type": "variable", "values": {"*": str(value)}}
            for name, value in values.items()
        }
        folder = self.home / ".gitlab-ci-local"
        folder.mkdir(exist_ok=True)
        (folder / "variables.yml").write_text(yaml.safe_dump({"global": known}))


def passed(said: str) -> set[str]:
    """The jobs that a report at the end calls passed; the pipeline below names that above."""
    lines = (line.split("PASS", 1)[1] for line in said.splitlines() if line.startswith(" PASS "))
    return {line.replace("[images] ->", "").strip() for line in lines}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if missing:
        say = f"the pipeline cannot be run: apt-get install {' '.join(missing)}"
        (pytest.fail if IN_CI else pytest.skip)(say)
    folder = tmp_path_factory.mktemp("gitlab")
    (folder / "home").mkdir()
    npm: list[str | Path] = [
        "npm",
        "install",
        "--prefix",
        folder / "npm",
        "--no-audit",
        "--no-fund",
    ]
    subprocess.run([*npm, "--ignore-scripts", RUNNER], check=True, capture_output=True)
    found = Local(
        folder / "npm/node_modules/.bin/gitlab-ci-local",
        folder / "home",
        checkout(folder / "fai-forge"),
    )
    found.git("remote", "add", "origin", f"{PROJECT}.git")
    yield found
    shutil.rmtree(folder)


def checkout(folder: Path) -> Path:
    """A repository with the files of ours as they are now, in one commit."""
    git: list[str | Path] = ["git", "-C", ROOT, "-c", "safe.directory=*"]
    listed = subprocess.run([*git, "ls-files", "-z"], check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    for words in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("config", "user.name", "A runner"),
        ("config", "user.email", "runner@example.org"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "All"),
    ):
        subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)
    return folder


def test_a_push_is_linted_and_tested(local: Local) -> None:
    local.variables()
    listed = local.run("--list-csv")
    assert {"lint", "test"} <= {line.partition(";")[0] for line in listed.splitlines()}, listed
    said = local.run("lint")
    assert passed(said) == {"lint"}, said
    assert (local.checkout / "reports/unit.xml").stat().st_size > 0


def test_a_schedule_builds_boots_and_publishes_one_image(local: Local, tmp_path: Path) -> None:
    secret, public, store = tmp_path / "secret.asc", tmp_path / "images.gpg", tmp_path / "store"
    store.mkdir()
    with key_home() as home:
        key = home.make("images@example.org")
        secret.write_bytes(home.gpg("--armor", "--export-secret-keys", key))
        public.write_bytes(home.export(key))
    values = {
        "FAI_FORGE_STORE": store,
        "FAI_FORGE_PLAN": IMAGE,
        # An emulated machine takes minutes for each kind; tests/live/test_boot.py has all of them.
        "FAI_FORGE_PIPELINE": "--firmware bios --timeout-factor 2",
        "FAI_FORGE_SIGNING_KEY": key,
        "FAI_FORGE_SIGNING_KEY_FILE": secret,
        "FAI_FORGE_CACHE": paths.cache().root,
    }
    local.variables(**values)
    first = planned_and_run(local)
    assert passed(first) == set(JOBS), first
    assert f"{IMAGE}: publish: nothing is published yet" in first

    (manifest,) = store.glob(f"{IMAGE}/*/*.manifest.json")
    build = document.load(manifest)
    assert build.build.job_link is not None
    assert build.build.job_link.startswith(f"{PROJECT}/-/jobs/")
    assert build.decision is not None
    assert [(each.name, each.verdict) for each in build.boots] == [("bios", "passed")]
    index = json.loads((store / "index.json").read_text())
    (series,) = index["series"]
    (published,) = series["builds"]
    assert (series["name"], published["serial"]) == (IMAGE, build.serial)
    # A released build of this month has its tag.
    assert [each["tag"] for each in published["tags"]] == [build.serial[:6]]

    # No job left the key, or said it.
    assert not list(Path("/tmp").glob("fai-forge-gnupg-*"))
    assert not any(line in first for line in secret.read_text().splitlines()[2:-1])

    # The next one has nothing to do, and is a pipeline all the same.
    local.variables(**values, FAI_FORGE_KEYRING=public)
    second = planned_and_run(local)
    assert passed(second) == {"plan", "images", "decisions", "promote", "expire", "site"}, second
    assert f"{IMAGE}: skip: nothing changed" in second
    assert json.loads((store / "index.json").read_text())["serial"] > index["serial"]


def planned_and_run(local: Local) -> str:
    """What the whole pipeline says, once its plan is in the checkout."""
    shutil.rmtree(local.checkout / "out", ignore_errors=True)
    said = local.nightly("plan")
    assert passed(said) == {"plan"}, said
    assert (local.checkout / "out/pipeline.yml").stat().st_size > 0
    local.git("add", "--force", "out/decisions.json", "out/decisions")
    return local.nightly()
