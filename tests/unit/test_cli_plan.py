# SPDX-License-Identifier: GPL-2.0-or-later
"""What `fai-forge plan` and `fai-forge why` show, keep, and end with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builder import cli
from builder.cli import plan as verb
from builder.cli.plan import age, table
from builder.manifest.decision import Decision, Published, Reason
from builder.planning.record import Record

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIX = Reason(
    kind="security",
    effect="publish",
    rule="security",
    package="openssl",
    text="openssl 3.5.1-1 → 3.5.4-1: security update, needs a reboot, DSA-6011-1",
)
BEHIND = Reason(
    kind="archive",
    effect="unknown",
    text="the archive http://mirror.invalid/debian is half updated: a file is not what it says",
    detail="Try again.\nOr use another mirror.",
)


def decision(answer: str, *reasons: Reason, name: str = "debian-13", **more: Any) -> Decision:
    return Decision.model_validate(
        {
            "name": name,
            "date": NOW,
            "policy": "security",
            "answer": answer,
            "published": Published(serial="20261101.1", date=NOW - timedelta(days=19)),
            "reasons": reasons,
            **more,
        }
    )


SKIP, PUBLISH = decision("skip"), decision("publish", FIX)
UNKNOWN = decision("unknown", BEHIND, name="debian-13-hypervisor-arm64", published=None)


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(minutes=59), "0 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=400), "400 d"),
        (-timedelta(hours=3), "0 h"),
    ],
)
def test_age(span: timedelta, said: str) -> None:
    assert age(span) == said


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_table_fits(width: int) -> None:
    lines = list(table([SKIP, PUBLISH, UNKNOWN], width, explain=False))
    assert max(len(line) for line in lines) <= width
    assert [line.split()[0] for line in lines] == ["IMAGE", *["debian-13"] * 2, UNKNOWN.name]
    at = lines[0].index("DECISION")
    assert [line[at:].split()[0] for line in lines[1:]] == ["skip", "publish", "unknown"]
    assert "20261101.1  19 d  skip      nothing changed" in lines[1]
    assert "1 security update" in lines[2]


def test_explained_reasons_say_their_rule_and_the_rest() -> None:
    text = "\n".join(table([PUBLISH, UNKNOWN], None, explain=True))
    assert f"publish {FIX.text} [security]" in text
    assert f"unknown {BEHIND.text}\n            Try again.\n            Or use" in text
    assert text.count("policy security") == 2


@pytest.mark.parametrize(
    ("decisions", "words", "code"),
    [
        ([SKIP], [], 0),
        ([SKIP], ["--exit-code"], 5),
        ([SKIP, PUBLISH], ["--exit-code"], 0),
        ([PUBLISH, UNKNOWN], [], 6),
        ([UNKNOWN], ["--exit-code"], 6),
    ],
)
def test_exit_codes_and_the_record(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    decisions: list[Decision],
    words: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(verb, "plan", lambda *_facts, **_more: decisions)
    call = ["plan", "trixie", "--store", str(tmp_path), "--json", *words]
    assert cli.main(call) == code
    shown = json.loads(capsys.readouterr().out)["decisions"]
    assert [Decision.model_validate(each) for each in shown] == decisions
    record = Record(tmp_path / "decisions")
    assert [kept for each in decisions for kept in record.of(each.name) if kept == each] != []
    assert cli.main([*call, "--no-record"]) == code
    assert len(list(record.of(decisions[0].name))) == len(
        [each for each in decisions if each.name == decisions[0].name]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say which images"),
        (["--all", "debian-13"], "say which images"),
        (["debian-13-hypervisr"], "hypervisr"),
        (["debian-13", "--store", "/no/such/folder"], "there is no store"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert cli.main(["plan", *words]) == 2
    assert said in capsys.readouterr().err


def test_why_tells_runs_of_the_same_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Record(tmp_path / "decisions")
    for day in (1, 2, 3):
        record.add(SKIP.model_copy(update={"date": NOW.replace(day=day)}))
    record.add(PUBLISH.model_copy(update={"date": NOW.replace(day=5)}))
    assert cli.main(["why", "debian-13", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2026-11-05 12:00, 20261101.1 published: publish: 1 security update")
    assert "DSA-6011-1" in lines[2]
    assert lines[3].startswith("2026-11-01 12:00 to 2026-11-03 12:00, 3 times")
    assert lines[3].endswith("skip: nothing changed")

    # On a day without a decision the last one before it held.
    assert cli.main(["why", "debian-13", "--out", str(tmp_path), "--on", "2026-11-04"]) == 0
    assert capsys.readouterr().out.startswith("2026-11-03 12:00, ")
    assert cli.main(["why", "debian-13", "--out", str(tmp_path), "--on", "2026-10-31"]) == 2
    assert "the first one is of 2026-11-01" in capsys.readouterr().err
    assert cli.main(["why", "debian-12", "--out", str(tmp_path)]) == 2
    assert "fai-forge plan debian-12 makes one" in capsys.readouterr().err
