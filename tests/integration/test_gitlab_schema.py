# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that GitLab reads are what GitLab's own JSON Schema of them says.

check-jsonschema brings a copy of that schema.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.manifest.decision import Answer, Decision, Reason
from builder.nightly import gitlab
from builder.nightly.chain import Site
from tests.integration.harness import ROOT

PLANS: dict[str, tuple[Answer, ...]] = {
    "all": ("publish", "skip", "unknown"),
    "nothing": ("skip",),
    "none": (),
}


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    argv = [sys.executable, "-m", "check_jsonschema", *schema, *map(str, files)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_files_of_the_project() -> None:
    done = check(ROOT / ".gitlab-ci.yml", ROOT / gitlab.TEMPLATES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("plan", PLANS)
def test_a_written_pipeline(plan: str, tmp_path: Path) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    reason = Reason(kind="archive", effect="unknown", text="it's `away`: $(id)\nand #: gone")
    decisions = [
        Decision(name=f"debian-13-{each}", date=now, policy="p", answer=each, reasons=(reason,))
        for each in PLANS[plan]
    ]
    order = gitlab.Order(
        decisions,
        {each.name: "20261120" for each in decisions},
        Site(out=Path("out"), store="sftp://images@example.org/srv"),
        Path("out/decisions.json"),
        manual=True,
    )
    file = tmp_path / "pipeline.yml"
    file.write_text(gitlab.pipeline(order), encoding="utf-8")
    done = check(file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_gitlab_would_refuse_is_found(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"
    file.write_text("build:\n  script: ['true']\n  retry: {max: 9}\n", encoding="utf-8")
    assert check(file).returncode == 1
