# SPDX-License-Identifier: GPL-2.0-or-later
"""New classes: right from the start, and refused where they do not fit."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml

from builder import cli, pipeline
from builder.classes import own_overlays, skeleton
from builder.classes.model import read
from builder.errors import UsageError
from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE
from builder.sites.model import VARIABLE
from builder.validate import classes, layout
from tests.unit.test_overlays import PROJECT, write


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = write(tmp_path / "project", PROJECT)
    monkeypatch.setenv(PROJECT_VARIABLE, str(root))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return root


def test_a_new_role_is_right_from_the_start(project: Path) -> None:
    assert (
        cli.main(["new-class", "OUR_WEB", "--summary", "What's: served.", "--requires", "WEB"]) == 0
    )
    folder = project / "classes/OUR_WEB"
    made = read(folder)
    assert (made.name, made.kind, made.token, made.summary, made.requires) == (
        *("OUR_WEB", "role", "ourweb", "What's: served"),
        ("WEB",),
    )
    known = pipeline.catalogue(project)
    (overlay,) = (each for each in own_overlays(project) if each.name == "OUR_WEB")
    assert [*layout.check(overlay, known), *classes.tests(overlay)] == []
    (script,) = (folder / "scripts/OUR_WEB").iterdir()
    assert stat.S_IMODE(script.stat().st_mode) == 0o755
    # What is promised is what the script copies.
    (promised,) = yaml.safe_load((folder / "tests/offline.yaml").read_text())["present"]
    assert (folder / f"files{promised}" / "OUR_WEB").is_file()
    assert f"fcopy -M {promised}\n" in script.read_text()
    assert promised in (folder / "tests/test_ourweb.py").read_text()


def test_a_new_platform_has_no_token(project: Path) -> None:
    assert cli.main(["new-class", "DISKS", "--kind", "platform"]) == 0
    assert read(project / "classes/DISKS").token is None


def test_a_class_in_another_folder(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new-class", "OURS", "--dir", "site"]) == 0
    said = capsys.readouterr().out
    assert "fai-forge validate OURS --overlay site" in said
    assert "fai-forge build debian-13-ours --overlay site" in said
    assert (tmp_path / "site/classes/OURS/class.yaml").is_file()
    assert not (project / "classes/OURS").exists()
    assert cli.main(["new-class", "MORE", "--dir", "site", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["token"] == "more"
    assert len(answer["files"]) == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["../x"], "'../x' is no name for a class"),
        (["ours"], "'ours' is no name for a class"),
        (["LAST"], "'LAST' is no name for a class"),
        (["WEB"], "classes/WEB: there is such a folder already"),
        (["OURS", "--token", "web"], "the role token web is that of"),
        (["OURS", "--token", "amd64"], "the field token is 'amd64'"),
        (["OURS", "--token", "x\nkind: arch"], "OURS/class.yaml: "),
        (["OURS", "--requires", "WBE"], "names the class WBE, which nobody has; did you mean WEB?"),
        (["OURS", "--kind", "platform", "--token", "x"], "has no token"),
        (["OURS", "--kind", "release", "--token", "12"], "belongs to no distribution"),
        (["WEB", "--dir", "site"], "the class WEB is also in"),
    ],
)
def test_a_class_that_does_not_fit_is_not_made(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    before = sorted(project.rglob("*"))
    assert cli.main(["new-class", *words]) == 2
    assert said in capsys.readouterr().err
    assert sorted(project.rglob("*")) == before


def test_nothing_that_exists_is_changed(project: Path) -> None:
    one = skeleton.sketch("WEB", "role", None, None, ())
    with pytest.raises(UsageError, match="such a folder already"):
        skeleton.write(one, project)
    assert (project / "classes/WEB/class.yaml").read_text() == PROJECT["classes/WEB/class.yaml"]
