# SPDX-License-Identifier: GPL-2.0-or-later
"""Validation by real tools: bash, shellcheck, FAI's install_packages, and apt on the archive."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from builder.cli import main
from builder.paths import PROJECT_VARIABLE
from tests.integration.harness import ROOT

CLASS = """\
class: OURS
kind: role
token: ours
summary: Ours
order: 700
conflicts:
  SID: it is not a release
packages: [nosuchpromise]
"""
FILES = {
    "class.yaml": CLASS,
    "README.md": "# OURS\n",
    "package_config/OURS": """\
PACKAGES install-norec
hello nosuchpackage
mawk-
PACKAGES install-norec ARM64
onlyarm64nothere
PACKAGES instal
vim
""",
    "scripts/OURS/10-unread": '#!/bin/bash\necho "\n',
    "scripts/OURS/20-warned": "#!/bin/bash\ncd $target\n$ROOTCMD true\necho $nobody\n",
    "scripts/OURS/30-dash": "#!/bin/sh\nif true; then\n",
    "scripts/OURS/40-fine": '#!/bin/bash\nset -e\nrm -f "$target/x"\nifclass OURS\n',
    "scripts/OURS/50-perl": "#!/usr/bin/perl\nuse nothing that bash could read (\n",
    "class/OURS.var": "UNUSED_HERE=1\nBROKEN=(\n",
}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """An overlay with one class, in which much is wrong."""
    for name, text in FILES.items():
        path = tmp_path / "site/classes/OURS" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path / "site"


def validate(*words: str | Path) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "builder", "validate", "--json", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def said(answer: Any, check: str) -> Sequence[str]:
    return [
        f"{Path(each['file']).name}:{each['line']}: {each['message']}"
        for each in answer["findings"]
        if each["check"] == check
    ]


def test_scripts_that_shells_and_shellcheck_reject(overlay: Path) -> None:
    code, answer = validate("OURS", "--overlay", overlay, "--offline")
    assert code == 2
    found = said(answer, "scripts")
    assert [each.partition(": ")[0] for each in found] == [
        *("OURS.var:2", "10-unread:2", "20-warned:2", "20-warned:4", "30-dash:3"),
    ]
    assert "bash cannot read it" in found[0]
    assert "(SC2164)" in found[2]
    assert "nobody is referenced but not assigned (SC2154)" in found[3]
    assert "sh cannot read it" in found[4]
    assert answer["leftOut"] == ["packages were not looked for in the archives"]
    assert answer["archivesAsked"] == []


def test_packages_that_no_archive_has(overlay: Path) -> None:
    code, answer = validate("OURS", "--overlay", overlay)
    assert code == 2
    found = "\n".join(said(answer, "packages"))
    assert "debian-13" in answer["archivesAsked"]
    assert "OURS:2: no release has the package nosuchpackage, which the class asks for" in found
    assert "class.yaml:8: no release has the package nosuchpromise, which the class prom" in found
    assert "FAI says: Unknown action instal after PACKAGES" in found
    assert "hello" not in found
    assert "mawk" not in found
    # Nothing is asked of arm64 unless there is such an image.
    has_arm64 = any(name.endswith("arm64") for name in answer["archivesAsked"])
    assert ("onlyarm64nothere" in found) is has_arm64


def test_the_projects_own_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    code, answer = validate("--offline")
    assert answer["findings"] == []
    assert code == 0
    assert "base" in answer["checked"]


def test_people_are_told_where_and_what_to_do(
    overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "OURS", "--overlay", str(overlay), "--offline"]) == 2
    out, err = capsys.readouterr()
    lines = out.splitlines()
    start = f"{overlay}/classes/OURS/scripts/OURS/10-unread:2: bash cannot read it: "
    assert any(line.startswith(start) for line in lines)
    assert lines[-1] == "1 folder checked, 0 archives asked: 5 findings"
    assert "left out: packages" in err
    assert "Traceback" not in err
