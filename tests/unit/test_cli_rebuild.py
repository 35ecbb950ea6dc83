# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge rebuild`: what it builds from a manifest, and what it says about a difference."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder import cli, names, paths
from builder.builds import Built
from builder.cli import repro_check
from builder.manifest import document, model
from tests.unit.stores import build

SERIAL = "20261121"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))


def changed(built: Built, **build_fields: object) -> model.Manifest:
    """The manifest of a build with other fields about how it was built; written again."""
    made = document.load(built.manifest)
    new = made.model_copy(update={"build": made.build.model_copy(update=build_fields)})
    built.manifest.write_text(document.dump(new))
    return new


def again(
    monkeypatch: pytest.MonkeyPatch, second: Built
) -> list[tuple[argparse.Namespace, str, Path, model.Manifest | None]]:
    """Let the second build be that one; what was asked for."""
    asked = []

    def build_again(
        arguments: argparse.Namespace,
        name: names.Name,
        out: Path,
        _workspace: str,
        known: model.Manifest | None,
    ) -> Built:
        asked.append((arguments, str(name), out, known))
        return second

    monkeypatch.setattr(repro_check, "build_again", build_again)
    return asked


def test_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = build(tmp_path / "out", SERIAL)
    changed(first, date=datetime(2026, 11, 21, 9, 8, 7, tzinfo=UTC))
    asked = again(monkeypatch, build(tmp_path / "again", SERIAL))
    argv = ["rebuild", str(first.manifest), "--mirror", "http://mirror.invalid/{date}/debian"]
    assert cli.main(argv) == 0
    assert capsys.readouterr().out.startswith("same    ")
    ((arguments, name, out, known),) = asked
    assert arguments.mirror == "http://mirror.invalid/20261121T090807Z/debian"
    assert arguments.security_mirror is None
    assert (name, known and known.serial) == ("debian-13", SERIAL)
    # Nothing is kept that nobody asked for.
    assert not out.exists()
    assert cli.main([*argv, "--out", str(tmp_path / "kept"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    assert asked[1][2] == tmp_path / "kept"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tool_version": "9.9"}, "it was built from other classes"),
        ({}, "fai-forge repro-check debian-13"),
    ],
)
def test_another_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, object],
    said: str,
) -> None:
    first = build(tmp_path / "out", SERIAL)
    second = build(tmp_path / "again", SERIAL, image=b"other")
    changed(second, **fields)
    again(monkeypatch, second)
    assert cli.main(["rebuild", str(first.manifest)]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("DIFFER  ")
    assert f"debian-13-{SERIAL} was not made again" in err
    assert said in err
    assert ("fai-forge: 0.1.0 / 9.9" in err) == bool(fields)


def test_other_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = build(tmp_path / "out", SERIAL)
    second = build(tmp_path / "again", SERIAL, image=b"other")
    made = document.load(second.manifest)
    package = model.Package(
        name="nano",
        version="8.4-1",
        arch="amd64",
        source="nano",
        source_version="8.4-1",
        origins=(),
        in_stable=None,
        auto=False,
    )
    second.manifest.write_text(document.dump(made.model_copy(update={"packages": (package,)})))
    again(monkeypatch, second)
    assert cli.main(["rebuild", str(first.manifest)]) == 3
    err = capsys.readouterr().err
    assert "package nano:amd64: absent / 8.4-1" in err
    assert "give with --mirror an archive that has the packages of 2026-11-21 12:00 UTC" in err


def test_nothing_that_could_be_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = build(tmp_path / "out", SERIAL)
    made = document.load(first.manifest)
    files = tuple(each.model_copy(update={"reproducible": False}) for each in made.files)
    first.manifest.write_text(document.dump(made.model_copy(update={"files": files})))
    assert cli.main(["rebuild", str(first.manifest)]) == 2
    assert "can be made again bit for bit" in capsys.readouterr().err
