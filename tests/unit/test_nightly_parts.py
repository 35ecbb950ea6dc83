# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a nightly: its steps, its exit code, its images, its tries, and what it tells."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from builder import cli, images, names
from builder.cli import nightly as verb
from builder.cli.nightly_progress import PlainWatcher, TerminalWatcher, told
from builder.errors import UsageError
from builder.nightly import exits, program, words
from builder.nightly.asked import asked
from builder.nightly.chain import Site, Step, image_steps, store_steps
from builder.nightly.folder import copy, of_day
from builder.nightly.model import Checks, NightlyRun, StepRun
from builder.nightly.page import page
from builder.nightly.program import Ended, tried
from builder.nightly.schema import schema_text
from tests.unit.nightlyworld import ONE, TWO, NightlyWorld, of
from tests.unit.pagecheck import Page

PROJECT = Path(__file__).parents[2]
SCHEMA = PROJECT / "schema/nightly.schema.json"
SITE = Site(
    out=Path("/out"),
    store="sftp://images.example.org/srv",
    key="A" * 40,
    keyring=Path("both.gpg"),
    mirror="http://mirror.example.org/debian",
    overlays=("../ours",),
    site=Path("site.yaml"),
    firmware=("uefi",),
    accel="tcg",
)


def parsed(step: Step) -> argparse.Namespace:
    """What the command line makes of a step."""
    return cli.parser().parse_args(list(step.words))


def test_every_step_is_a_command_that_a_person_can_type() -> None:
    build, boot, publish = map(parsed, image_steps(SITE, ONE, "20261121", Path("/plan.json")))
    assert (build.name, build.serial, build.decision) == (ONE, "20261121", Path("/plan.json"))
    assert (boot.image, boot.firmware, boot.accel) == (f"{ONE}-20261121", ["uefi"], "tcg")
    assert (publish.builds, publish.to) == ([f"{ONE}-20261121"], SITE.store)
    for one in (build, boot):
        assert (one.mirror, one.overlay, one.site) == (SITE.mirror, ["../ours"], Path("site.yaml"))
    promote, expire, site = map(parsed, store_steps(SITE, Path("tags.yaml")))
    assert (promote.file, promote.monthly) == (Path("tags.yaml"), True)
    assert site.refresh
    for one in (publish, promote, expire, site):
        assert (one.key, one.keyring, one.out) == (SITE.key, SITE.keyring, SITE.out)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 6], 6),
        ([4, 6, 0], 4),
        ([4, 2], 2),
        ([2, 3], 3),
        ([3, 1, 4], 1),
        ([1, 130], 130),
        ([-9, 3], 1),
        ([77], 1),
    ],
)
def test_the_worst_counts(codes: list[int], code: int) -> None:
    assert exits.worst(codes) == code


def test_the_page_about_it_has_the_codes_in_their_order() -> None:
    rows = re.findall(
        r"^\| (\d+) \| (.*?) \| (.*?) \|$", (PROJECT / "docs/nightly.md").read_text(), re.M
    )
    told = [
        (int(code), why) for code, _, why in rows if int(code) not in (exits.NOTHING, exits.DONE)
    ]
    assert told == [(row.code, row.why) for row in exits.WORST_FIRST if row.code != exits.DONE]


def test_images_by_name_and_by_pattern() -> None:
    rows = tuple(
        images.unlisted(names.parse(name), ("qcow2",)) for name in (ONE, TWO, "debian-12", "sid")
    )
    listed = images.Images(rows)

    def found(*wanted: str) -> list[str]:
        return [str(name) for name in asked(wanted, listed)]

    assert found("*") == [ONE, TWO, "debian-12", "debian-sid"]
    assert found("debian-12", "debian-13*", "trixie") == ["debian-12", ONE, TWO]
    # Any that the classes make, listed or not.
    assert found("bookworm-cloud") == ["debian-12-cloud"]
    for wrong, said in (("ubuntu-*", "no image"), (f"{ONE}-20261121", "one build"), ("x", "x")):
        with pytest.raises(UsageError, match=said):
            found(wrong)


@pytest.mark.parametrize(
    ("codes", "ran", "last"), [([0], 1, 0), ([1, 0], 1, 1), ([4, 0], 2, 0), ([4, 4, 0], 2, 4)]
)
def test_only_infrastructure_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, codes: list[int], ran: int, last: int
) -> None:
    pauses, said = list[list[str]](), list[str]()
    monkeypatch.setattr(program, "run", lambda argv, **_more: pauses.append(argv))
    left = list(codes)

    def runs(_step: Step, _log: Path, _say: Callable[[str], None]) -> Ended:
        return Ended(left.pop(0), "the mirror is down")

    found = tried(runs, Step("build", ()), Path("log"), said.append, 60)
    assert (found.tries, found.last.code) == (ran, last)
    assert len(pauses) == len(said) == ran - 1
    assert all(argv == ["sleep", "60"] for argv in pauses)


def test_the_schema_is_committed() -> None:
    assert SCHEMA.read_text() == schema_text(), (
        "run: python -m builder.nightly.schema > schema/nightly.schema.json"
    )


@pytest.fixture
def told_run(tmp_path: Path) -> tuple[NightlyWorld, NightlyRun]:
    """One image was published at the second try, and one failed with markup in its words."""
    world = NightlyWorld(tmp_path, script={(ONE, "boot"): [4], (TWO, "boot"): [3]})
    run = world.call()
    bad = of(run, TWO)
    loud = bad.steps[-1].model_copy(update={"end": ("<b>panic</b> & co",)})
    bad = bad.model_copy(
        update={
            "steps": (*bad.steps[:-1], loud),
            "checks": Checks(passed=50, failed=("hostname",), as_predicted=False),
        }
    )
    return world, run.model_copy(update={"images": (run.images[0], bad)})


def test_the_page_tells_all_and_escapes_it(told_run: tuple[NightlyWorld, NightlyRun]) -> None:
    world, run = told_run
    text = page(run).decode()
    assert Page(text).problems == []
    assert "&lt;b&gt;panic&lt;/b&gt; &amp; co" in text
    assert "<b>panic" not in text
    for said in (
        "1 published, 1 failed",
        "tried twice: boot",
        "50 of 51 checks passed, packages NOT as predicted",
        "boots by bios, uefi, secureboot",
        "exit code 3",
    ):
        assert said in text
    folder = of_day(world.out, world.now.date()).path
    for name in ("nightly.json", "plan.json", f"{TWO}.boot.log", "store.site.log"):
        assert f'href="{name}"' in text
        assert (folder / name).exists()
    assert f'href="../../{ONE}/20261121/"' in text
    assert (folder / f"../../{ONE}/20261121").is_dir()


def test_the_summary_elsewhere(told_run: tuple[NightlyWorld, NightlyRun]) -> None:
    world, run = told_run
    to = world.root / "reports/nightly"
    written = copy(of_day(world.out, world.now.date()), run, world.out, to)
    assert written == to / "index.html"
    there = {path.name for path in to.iterdir()}
    assert {"nightly.json", "plan.json", f"{TWO}.boot.log", "store.site.log"} < there
    assert f'href="../../out/{ONE}/20261121/"' in written.read_text()
    assert (to / f"../../out/{ONE}/20261121").is_dir()


def test_the_table_tells_all(told_run: tuple[NightlyWorld, NightlyRun]) -> None:
    _, run = told_run
    lines = list(verb.table(run, None, Path("/logs")))
    assert lines[0].split() == ["IMAGE", "SERIAL", "RESULT", "BUILD", "BOOT", "PUBLISH", "WHY"]
    assert lines[1].split()[:3] == [ONE, "20261121", "published"]
    assert lines[1].endswith("nothing is published yet; tried twice: boot")
    assert lines[2].split()[:3] == [TWO, "20261121", "failed"]
    text = "\n".join(lines)
    assert f"{TWO}: boot failed: it ended with 3" in text
    assert f"fai-forge boot {TWO}-20261121" in text
    assert f"said in /logs/{TWO}.boot.log" in text
    assert lines[-1] == f"1 published, 1 failed in {words.span(run.seconds)}: " + (
        "a check or a boot failed (exit code 3)"
    )


def test_no_login_is_told(tmp_path: Path) -> None:
    """A mirror's password is in what is called, as the user called us, and nowhere else."""
    world = NightlyWorld(tmp_path)
    order = world.order(ONE)
    secret = "http://me:hunter2@mirror.example.org/debian"
    object.__setattr__(order, "site", Site(out=world.out, store=order.site.store, mirror=secret))
    world.order = lambda *_wanted, **_more: order  # type: ignore[method-assign]
    run = world.call(ONE)
    assert "--mirror http://mirror.example.org/debian" in run.steps[0].command
    for path in (world.out / "nightly").rglob("*.*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({}, "boot done in 3 min 20 s"),
        ({"tries": 2}, "boot done in 3 min 20 s, at try 2"),
        ({"outcome": "failed", "reason": "no login"}, "boot failed in 3 min 20 s: no login"),
        ({"outcome": "kept"}, "boot was done before"),
        ({"outcome": "left-out", "reason": "nothing"}, "boot left out: nothing"),
    ],
)
def test_plain_lines(
    capsys: pytest.CaptureFixture[str], update: dict[str, object], said: str
) -> None:
    step = StepRun(name="boot", command="fai-forge boot", outcome="done", seconds=200)
    changed = step.model_copy(update=update)
    assert told(changed) == said
    shown = PlainWatcher()
    shown.begins(ONE, "boot")
    shown.ends(ONE, changed)
    begun, ended = capsys.readouterr().err.splitlines()
    assert begun.endswith(f"s] {ONE}: boot")
    assert ended.endswith(f"s] {ONE}: {said}")


def test_a_terminal_keeps_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    step = StepRun(name="boot", command="fai-forge boot", outcome="failed", reason="[bold]no")
    shown = TerminalWatcher()
    try:
        shown.begins(ONE, "boot")
        shown.says(ONE, "[red]booting with bios")
        shown.says(TWO, "nobody asked")
        shown.ends(ONE, step)
    finally:
        shown.finish()
    assert f"{ONE}: boot failed in 0 s: [bold]no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("time", "said"), [(0.4, "0 s"), (119, "119 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_spans(time: float, said: str) -> None:
    assert words.span(time) == said


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NightlyWorld:
    """The verb, with the scripted steps in place of real ones."""
    world = NightlyWorld(tmp_path)
    monkeypatch.setattr(verb, "_order", lambda _arguments: world.order())
    return world


def test_the_verb(called: NightlyWorld, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["nightly", "--store", "store", "--out", str(called.out), "--exit-code"]
    assert cli.main([*call, "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert not called.out.exists()
    assert cli.main([*call, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["answer"] for each in document["decisions"]] == ["publish", "publish"]
    assert len(document["commands"]) == 9
    for each in document["commands"]:
        assert shlex.join(each["command"]) in dry

    assert cli.main([*call, "--report", str(called.root / "report")]) == 0
    out = capsys.readouterr().out
    assert f"The summary is in {called.root}/report/index.html" in out
    assert cli.main([*call, "--json"]) == 5
    told = capsys.readouterr()
    assert NightlyRun.model_validate_json(told.out).run == "2026-11-21.1"
    assert "2026-11-21.1/index.html" in told.err
    assert cli.main([*call, "--dry-run"]) == 5


def test_the_verb_is_interrupted(called: NightlyWorld, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_name: str, step: str) -> None:
        if step == "boot":
            raise KeyboardInterrupt

    called.before = interrupt
    assert cli.main(["nightly", "--store", "store", "--out", str(called.out)]) == 130
    told = capsys.readouterr()
    assert "The summary is in " in told.out
    assert "interrupted (exit code 130)" in told.out


@pytest.mark.parametrize(
    ("more", "said"),
    [([], "no store is given"), (["--store", "s", "--jobs", "0"], "--jobs 0")],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], more: list[str], said: str) -> None:
    assert cli.main(["nightly", *more]) == 2
    told = capsys.readouterr().err
    assert said in told
    # Whoever tries it first needs a key, too.
    assert more or "--quick-gen-key" in told
