# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan as a pipeline of GitLab: which jobs there are, in which order, and what they run."""

from __future__ import annotations

import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder import cli
from builder.errors import UsageError
from builder.manifest.decision import Answer, Decision, Decisions, Reason
from builder.nightly import gitlab, serials
from builder.nightly.chain import Site, image_steps, store_steps

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
PLAN = Path("out/decisions.json")
SITE = Site(out=Path("out"), store="s3://images/it's; rm -rf $HOME")
SLIM, ARM = "debian-13-slim", "debian-13-slim-arm64"
SERIALS = {SLIM: "20261120.2", ARM: "20261120"}
# What stands at the top of a pipeline and is no job.
GLOBAL = ("include", "stages")


def decision(name: str, answer: Answer, text: str = "") -> Decision:
    reasons = (Reason(kind="archive", effect="noted", text=text),) if text else ()
    if answer == "unknown":
        reasons = (Reason(kind="archive", effect="unknown", text=text or "the mirror is away"),)
    return Decision(name=name, date=NOW, policy="security", answer=answer, reasons=reasons)


def order(*decisions: Decision, **more: Any) -> gitlab.Order:
    return gitlab.Order(decisions, SERIALS, SITE, PLAN, **more)


def jobs(asked: gitlab.Order) -> dict[str, Any]:
    document = yaml.safe_load(gitlab.pipeline(asked))
    return {name: job for name, job in document.items() if name not in GLOBAL}


TWO = order(decision(SLIM, "publish"), decision("debian-13", "skip"), decision(ARM, "publish"))


def test_each_image_is_a_chain_of_its_own() -> None:
    found = jobs(TWO)
    for name in (SLIM, ARM):
        steps = image_steps(SITE, name, SERIALS[name], PLAN)
        made = [found[f"{step.name} {name}"] for step in steps]
        assert [job["stage"] for job in made] == ["build", "boot", "publish"]
        assert [job["needs"] for job in made] == [
            ["decisions"],
            ["decisions", f"build {name}"],
            ["decisions", f"boot {name}"],
        ]
        # A shell makes of each script the words of the chain, whatever is in them.
        assert [[shlex.split(line) for line in job["script"]] for job in made] == [
            [list(step.command)] for step in steps
        ]
    assert not any("debian-13" in name.split() for name in found)


def test_the_store_comes_after_all_images_whatever_became_of_them() -> None:
    document = yaml.safe_load(gitlab.pipeline(TWO))
    after = ["promote", "expire", "site"]
    assert document["stages"] == ["plan", "build", "boot", "publish", *after]
    for step in store_steps(SITE, None):
        job = document[step.name]
        assert job["when"] == "always"
        # With `needs` it would not wait for its stage.
        assert "needs" not in job
        assert job["dependencies"] == ["decisions"]
        assert shlex.split(job["script"][0]) == list(step.command)


def test_where_nothing_is_to_be_done_the_pipeline_says_why() -> None:
    found = jobs(order(decision("debian-13", "skip"), decision("debian-12", "skip")))
    assert list(found) == ["decisions", "promote", "expire", "site"]
    printf, form, *lines = shlex.split(found["decisions"]["script"][0])
    assert (printf, form) == ("printf", "%s\\n")
    assert lines == ["debian-13: skip: nothing changed", "debian-12: skip: nothing changed"]


def test_what_nobody_knows_fails_and_stops_nothing() -> None:
    found = jobs(order(decision("debian-13", "unknown"), decision(SLIM, "publish")))
    said, end = found["unknown"]["script"]
    assert shlex.split(said)[2:] == ["debian-13: unknown: the mirror is away"]
    assert end == "exit 6"
    assert not any("unknown" in job.get("needs", ()) for job in found.values())
    assert "unknown" not in jobs(TWO)


def test_what_an_archive_says_is_no_command() -> None:
    evil = "it's $(reboot)`id`\n- exit 0\x1b[2J"
    found = jobs(order(decision("debian-13", "unknown", evil)))
    words = shlex.split(found["decisions"]["script"][0])
    assert words[2:] == ["debian-13: unknown: it's $(reboot)`id` - exit 0 [2J"]


def test_runners_are_chosen_by_architecture() -> None:
    table = gitlab.runners(["arm64=arm64-kvm"])
    found = jobs(order(decision(SLIM, "publish"), decision(ARM, "publish"), runners=table))
    for step in ("build", "boot"):
        assert found[f"{step} {SLIM}"]["tags"] == ["amd64"]
        assert found[f"{step} {ARM}"]["tags"] == ["arm64-kvm"]
        assert found[f"{step} {ARM}"]["variables"] == {
            "FAI_FORGE_IMAGE": ARM,
            "FAI_FORGE_CACHE_KEY": "arm64-202611",
        }
    # An emulator takes longer.
    limits = [found[f"build {name}"]["timeout"] for name in (SLIM, ARM)]
    assert limits == ["1h", "4h"]
    assert jobs(TWO)[f"boot {ARM}"]["tags"] == ["amd64"]


@pytest.mark.parametrize("word", ["arm64", "arm64=", "sparc=x", "arm64=$TAG", "arm64=a b"])
def test_what_says_no_runner(word: str) -> None:
    with pytest.raises(UsageError, match="says no runner"):
        gitlab.runners([word])


def test_publishing_may_wait_for_a_person() -> None:
    assert (
        jobs(order(decision(SLIM, "publish"), manual=True))[f"publish {SLIM}"]["when"] == "manual"
    )
    assert "when" not in jobs(TWO)[f"publish {SLIM}"]


def test_the_same_plan_gives_the_same_text() -> None:
    text = gitlab.pipeline(TWO)
    assert text == gitlab.pipeline(TWO)
    # Each command is one line, as a person would paste it.
    assert f"  - fai-forge build {SLIM} --serial 20261120.2 --decision {PLAN} --out out\n" in text


def test_serials_are_new_for_the_store_and_the_folder() -> None:
    taken = {SLIM: ["20261120", "20261119.4"]}
    decisions = [decision(SLIM, "publish"), decision(ARM, "publish"), decision("debian-13", "skip")]
    found = serials.pick(
        decisions, date(2026, 11, 20), lambda name: taken.get(name, []), lambda _: ["20261118"]
    )
    assert found == {SLIM: "20261120.1", ARM: "20261120"}


class Loader(yaml.SafeLoader):
    """YAML with GitLab's `!reference`."""


def _reference(loader: yaml.SafeLoader, node: yaml.Node) -> list[Any]:
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node)


Loader.add_constructor("!reference", _reference)


def templates() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (gitlab.TEMPLATES, ".gitlab-ci.yml"):
        found |= yaml.load((ROOT / name).read_text(encoding="utf-8"), Loader)  # noqa: S506
    return found


def resolved(job: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    parent = known.get(job.get("extends", ""), {})
    return {**resolved(parent, known), **job} if parent else job


def test_every_job_extends_a_template_that_is_there() -> None:
    known = templates()
    unknown = order(decision(SLIM, "publish"), decision("debian-12", "unknown"))
    for name, job in jobs(unknown).items():
        assert job["extends"] in known, name


def test_only_infrastructure_is_tried_again_and_all_jobs_end() -> None:
    known = templates()
    for name, job in known.items():
        whole = resolved(job, known) if isinstance(job, dict) else {}
        if "script" in whole and "trigger" not in whole:
            assert whole["retry"] == {"max": 1, "exit_codes": [4]}, name
            assert whole["timeout"], name


def test_who_changes_the_store_is_alone_and_removes_the_key() -> None:
    known = templates()
    signing = [step.name for step in store_steps(SITE, None)] + [f"publish {SLIM}"]
    for job in [*(jobs(TWO)[name] for name in signing), known["release"]]:
        whole = resolved(job, known)
        assert whole["resource_group"] == "fai-forge-store"
        assert whole["interruptible"] is False
        assert whole["environment"]["name"] == "images"
        assert "rm -rf" in whole["after_script"][-1]
    # Nothing else has the key.
    assert [name for name, job in known.items() if "SIGNING" in str(job)] == [".store"]


def test_what_the_pipeline_writes_makes_no_checkout_dirty() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/out/", "/.cache/", "/reports/", "/.venv/"} <= set(ignored)


def test_the_verb_prints_a_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAI_FORGE_CACHE", str(tmp_path / "cache"))
    plan = tmp_path / "decisions.json"
    plan.write_text(Decisions(decisions=tuple(TWO.decisions)).model_dump_json(by_alias=True))
    words = ["pipeline", str(plan), "--store", str(tmp_path / "none"), "--manual"]
    assert cli.main([*words, "--firmware", "bios"]) == 0
    document = yaml.safe_load(capsys.readouterr().out)
    (command,) = document[f"boot {SLIM}"]["script"]
    assert "--firmware bios" in command
    assert document[f"publish {SLIM}"]["when"] == "manual"


def test_the_verb_refuses_what_is_no_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "decisions.json"
    plan.write_text("[]")
    assert cli.main(["pipeline", str(plan), "--store", str(tmp_path)]) == 2
    assert "is not what `fai-forge plan --json` prints" in capsys.readouterr().err
