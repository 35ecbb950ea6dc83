# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what is parsed, how errors are said, and the exit codes."""

from __future__ import annotations

import argparse
import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder import cli, names
from builder.builds import Builds
from builder.cli import build, clean, common
from builder.errors import (
    BuildError,
    CheckError,
    ForgeError,
    InfrastructureError,
    UsageError,
)
from builder.install import sandbox
from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE, Cache, cache, project_root


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """`main` changes the process: its handlers and its logging; no cache of ours is touched."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    handler = signal.getsignal(signal.SIGTERM)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    signal.signal(signal.SIGTERM, handler)
    root.setLevel(level)
    root.handlers[:] = handlers


def verb(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> None:
    """Let the only verb be `try`, which fails with `error`."""

    def call(_arguments: argparse.Namespace) -> int:
        if error is not None:
            raise error
        return 0

    monkeypatch.setattr(cli, "VERBS", (common.Verb("try", "", "", common.add_json, call),))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (BuildError("it failed", "do this\nthen that"), 1),
        (UsageError("it failed", "do this\nthen that"), 2),
        (CheckError("it failed", "do this\nthen that"), 3),
        (InfrastructureError("it failed", "do this\nthen that"), 4),
    ],
)
def test_an_error_is_a_sentence_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: ForgeError | None,
    code: int,
) -> None:
    verb(monkeypatch, error)
    assert cli.main(["try"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    said = "fai-forge: it failed\n    do this\n    then that\n" if error else ""
    assert err == said


def test_an_interruption_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb(monkeypatch, KeyboardInterrupt())
    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "fai-forge: interrupted; nothing half-made is left behind\n"


def test_sigterm_unwinds_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    verb(monkeypatch, None)
    cli.main(["try"])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_a_bug_stays_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    verb(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main(["try"])


@pytest.mark.parametrize("argv", [[], ["frobnicate"], ["build"], ["build", "x", "--format", "vdi"]])
def test_wrong_arguments_are_wrong_usage(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert "usage: fai-forge" in capsys.readouterr().err


def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for each in cli.VERBS:
        with pytest.raises(SystemExit) as caught:
            cli.main([each.name, "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: fai-forge {each.name}")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("debain-13", "debian"),
        ("debian-99", "99"),
        ("debian-13-hypervizor", "hypervizor"),
        ("", ""),
    ],
)
def test_an_unknown_name_is_said_before_anything_is_set_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: str, said: str
) -> None:
    monkeypatch.setattr(sandbox, "reenter", lambda *_a, **_k: pytest.fail("it went in"))
    assert cli.main(["build", asked]) == 2
    assert said in capsys.readouterr().err


def request(*argv: str) -> Any:
    arguments = cli.parser().parse_args(["build", *argv])
    arguments.words = ["build", *argv]
    return build._request(arguments)


def test_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1763640000")
    made = request(
        *("trixie-20261120.1", "--format", "raw", "--format", "qcow2", "--format", "raw"),
        *("--out", "my out", "--mirror", "http://near.invalid/debian", "--workspace", "disk"),
    )
    assert made.name == names.parse("debian-13")
    assert made.serial == "20261120.1"
    assert made.formats == ("raw", "qcow2")
    assert made.out == tmp_path / "my out"
    assert made.epoch == 1763640000
    assert made.archive.mirror == "http://near.invalid/debian"
    assert made.archive.cache == Cache(tmp_path / "cache")
    assert made.workspace == "disk"


def test_the_defaults_of_a_request() -> None:
    made = request("debian-13")
    assert (made.serial, made.formats, made.epoch, made.workspace) == (None, (), None, "auto")
    assert made.out == Path.cwd() / "out"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["debian-13-4"], "names a promoted build"),
        (["debian-13-20261120", "--serial", "20261121"], "contradict each other"),
        (["debian-13", "--serial", "latest"], "'latest' is not a serial"),
        (["debian-13", "--serial", "../../etc"], "is not a serial"),
    ],
)
def test_serials_that_cannot_be(argv: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        request(*argv)


def test_a_serial_may_be_said_twice() -> None:
    assert request("debian-13-20261120", "--serial", "20261120").serial == "20261120"


@pytest.mark.parametrize("given", ["0", "1763640000", "4294967295"])
def test_source_date_epoch(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    assert request("debian-13").epoch == int(given)


@pytest.mark.parametrize(
    "given",
    ["", "yesterday", "-1", "1.5", " 1", "1\n", "\u0661", "\u00b2", "1763640000000", "9" * 5000],
)
def test_a_time_that_is_none(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH is not a number of seconds") as caught:
        request("debian-13")
    assert "date +%s" in caught.value.hint


def test_the_project_is_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROJECT_VARIABLE, str(tmp_path))
    with pytest.raises(UsageError, match="has no fai-config/ and classes/"):
        project_root()
    (tmp_path / "fai-config").mkdir()
    (tmp_path / "classes").mkdir()
    assert project_root() == tmp_path


def test_the_cache_is_roots_or_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache().root.name == "cache"
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert cache().root == Path("/var/cache/fai-forge")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/u/cache")
    assert cache().root == Path("/home/u/cache/fai-forge")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/u")
    assert cache().root == Path("/home/u/.cache/fai-forge")
    assert cache().debs == Path("/home/u/.cache/fai-forge/debs")


def built(out: Path, name: str, *serials: str) -> None:
    for serial in serials:
        with Builds(out).new(name, serial) as draft:
            draft.publish()


def cleaned(out: Path, *options: str) -> set[str]:
    """What `clean` would remove, by its path below `out` or by its name in the cache."""
    arguments = cli.parser().parse_args(["clean", *options])
    found = clean._candidates(Builds(out), cache(), arguments)
    return {
        str(path.relative_to(out)) if path.is_relative_to(out) else path.name for path, _ in found
    }


def test_cleaning_is_graded(tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(out, "debian-13", "20261119", "20261120.9", "20261120.10")
    built(out, "debian-12", "20261101")
    (out / "debian-13/20261121.failed").mkdir()
    for folder in (cache().apt, cache().debs):
        folder.mkdir(parents=True)
    failed = {"debian-13/20261121.failed"}
    old = {"debian-13/20261119", "debian-13/20261120.9"}
    newest = {"debian-13/20261120.10", "debian-12/20261101"}
    assert cleaned(out) == failed
    assert cleaned(out, "--old") == failed | old
    assert cleaned(out, "--caches") == failed | {"apt", "debs"}
    assert cleaned(out, "--all") == failed | old | newest | {"apt", "debs"}


def test_cleaning_removes_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(sandbox.MARK, "1")
    out = tmp_path / "out"
    built(out, "debian-13", "20261119", "20261120")
    assert cli.main(["clean", "--old", "--dry-run", "--out", str(out)]) == 0
    assert (out / "debian-13/20261119").exists()
    assert "would be removed" in capsys.readouterr().out
    assert cli.main(["clean", "--old", "--out", str(out), "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)
    assert item["path"] == str(out / "debian-13/20261119")
    assert [each.serial for each in Builds(out).all()] == ["20261120"]


def test_the_list_says_what_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    built(tmp_path, "debian-13", "20261119", "20261120")
    assert cli.main(["list", "--out", str(tmp_path), "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["debian-13"]["serials"] == ["20261119", "20261120"]
    assert rows["debian-13"]["title"].startswith("Debian 13 (trixie)")
    assert cli.main(["list", "--out", str(tmp_path / "none")]) == 0
    heading, first, *_ = capsys.readouterr().out.splitlines()
    assert heading.split() == ["IMAGE", "TITLE", "POLICY", "NEWEST", "FORMATS", "CLASSES"]
    for word in ("debian-13", "Debian 13 (trixie)", "security", " - ", "qcow2", "TRIXIE AMD64"):
        assert word in first


def test_the_shells_completion_knows_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert all(each.name in script for each in cli.VERBS)
