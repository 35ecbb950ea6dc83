# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs, as people call them: what is newest, what the store has, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder import cli
from builder.cli import upstreams
from builder.paths import PROJECT_VARIABLE
from builder.store.keys import KEY_VARIABLE
from tests.integration.apiserver import Reply, serve
from tests.integration.signing import KeyHome
from tests.integration.upstreamworld import DAY, World, made

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def key(gpg_home: KeyHome) -> str:
    """What signs the store."""
    return gpg_home.make("the store")


@pytest.fixture
def world(
    tmp_path: Path, gpg_home: KeyHome, key: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """The project knows no upstreams but the one here."""
    project = tmp_path / "project"
    for name in ("fai-config", "classes", "upstreams"):
        (project / name).mkdir(parents=True)
    (project / "images.yaml").write_text("images: []\n")
    monkeypatch.setenv(PROJECT_VARIABLE, str(project))
    monkeypatch.setenv(KEY_VARIABLE, key)
    with made(tmp_path, gpg_home, monkeypatch) as world:
        monkeypatch.setenv(upstreams.FOLDERS_VARIABLE, str(world.upstreams))
        world.ours.put("10.1")
        world.ours.write(world.upstreams)
        yield world


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    """Call a verb, and have its exit code and its answer."""

    def call(*words: str) -> tuple[int, Any]:
        code = cli.main(["upstream", *words])
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in words else out

    return call


def at(world: World) -> str:
    return str(world.folder / "store")


def test_what_is_newest_and_what_we_have(world: World, call: Any) -> None:
    code, answer = call("check", "--json")
    assert (code, answer["failed"]) == (0, False)
    (image,) = answer["images"]
    assert (image["name"], image["source"], image["state"]) == ("alma-10", "ours", "new")
    assert (image["version"], image["date"]) == (f"10.1-{DAY}", "2026-11-01")
    assert image["url"].endswith(world.ours.file("10.1"))
    assert image["have"] is None
    assert call("pull", "--all", "--to", at(world))[0] == 0
    code, answer = call("check", "--store", at(world), "--json", "--exit-code")
    assert code == 5
    (image,) = answer["images"]
    assert (image["state"], image["serial"]) == ("current", DAY)
    assert image["have"]["version"] == f"10.1-{DAY}"
    world.ours.put("10.2", "20261102")
    code, answer = call("check", "--store", at(world), "--json", "--exit-code")
    assert (code, answer["images"][0]["state"]) == (0, "new")
    assert answer["images"][0]["reason"] == f"newer than 10.1-{DAY}"
    assert answer["images"][0]["serial"] == "20261102"


def test_the_table_says_it(world: World, call: Any) -> None:
    call("pull", "--all", "--to", at(world))
    world.ours.put("10.2", "20261102")
    other = world.another("other")
    other.write(world.upstreams)
    code, said = call("check", "--store", at(world))
    assert code == 4
    heading, failed, ours, hint, summary = said.splitlines()
    assert heading.split()[:4] == ["IMAGE", "NEWEST", "OF", "SIGNED"]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    words = ["alma-10", "10.2-20261102", "2026-11-02", "no", f"10.1-{DAY}", today, "NEW"]
    assert ours.split()[:7] == words
    assert failed.startswith("alma-9 ")
    assert "SHA256SUMS is not there (404)" in failed
    assert hint.startswith("alma-9: ")
    assert summary == "images: 2, new: 1, current: 0, older: 0, skipped: 0, failed: 1"
    heading, _, ours, *_ = call("check")[1].splitlines()
    assert heading.split() == ["IMAGE", "NEWEST", "OF", "SIGNED", "STATE", "WHY"]
    assert ours.split() == [*words[:3], "no"]


def test_what_is_signed_is_told(world: World, call: Any) -> None:
    world.ours.sign()
    world.ours.write(world.upstreams)
    assert call("check")[1].splitlines()[1].split()[3] == "list"
    assert call("check", "--json")[1]["images"][0]["signed"] == "list"


def test_pull_says_what_it_did(world: World, call: Any) -> None:
    other = world.another("other")
    other.write(world.upstreams)
    code, answer = call("pull", "--all", "--to", at(world), "--json", "--jobs", "1")
    assert (code, answer["failed"], answer["done"]) == (4, True, True)
    by_name = {each["name"]: each for each in answer["images"]}
    assert (by_name["alma-10"]["answer"], by_name["alma-9"]["answer"]) == ("pulled", "failed")
    assert answer["transferred"] == len(world.ours.content[world.ours.file("10.1")])
    assert by_name["alma-9"]["hint"]
    other.put("9.1")
    code, said = call("pull", "alma-9", "--to", at(world), "--dry-run")
    assert (code, "alma-9  9.1-20261101  20261101  PULL" in said) == (0, True)
    assert "planned: 1" in said
    code, said = call("pull", "--all", "--to", at(world))
    assert code == 0
    assert "pulled: 1, unchanged: 1" in said


def test_what_changed_is_told_where_packages_are_listed(world: World, call: Any) -> None:
    world.ours.write(world.upstreams, packages={"file": "{stem}.manifest", "form": "dpkg"})
    for number, version in enumerate(("3.0.1-1", "3.0.2-1"), 1):
        world.ours.put(f"10.{number}", f"2026110{number}")
        stem = world.ours.file(f"10.{number}", f"2026110{number}").removesuffix(".qcow2")
        listed = f"base-files\t12\nopenssl:amd64\t{version}\n".encode()
        world.server.routes[f"/ours/{stem}.manifest"] = serve(listed)
        code, said = call("pull", "--all", "--to", at(world))
        assert (code, "without its list" in said) == (0, False)
    (changelog,) = (world.folder / "store").rglob("*.changelog.json")
    assert changelog.name == "alma-10-20261102.changelog.json"
    said = changelog.read_text()
    assert '"openssl"' in said
    assert '"base-files"' not in said
    assert "3.0.1-1" in said
    assert "3.0.2-1" in said


def test_an_upstream_that_tells_no_releases(world: World, call: Any) -> None:
    """It fails under its own name, and the others are there."""
    text = (world.upstreams / "ours.yaml").read_text()
    head = text.partition("releases:")[0]
    (world.upstreams / "unknown.yaml").write_text(f"{head}newest: {{of: index}}\n{_tail(text)}")
    code, answer = call("pull", "--all", "--to", at(world), "--json")
    by_name = {each["name"]: each for each in answer["images"]}
    assert code == 4
    assert (by_name["alma-10"]["answer"], by_name["unknown"]["answer"]) == ("pulled", "failed")


def _tail(text: str) -> str:
    """What comes behind the releases of a YAML file whose fields are sorted."""
    behind = text.partition("releases:")[2].split("\n")
    return "\n".join(line for line in behind if line and not line.startswith("-"))


def test_what_a_person_has_to_mend_is_wrong_usage(world: World, call: Any) -> None:
    """Where it was named; among all, it is one of those that let us down."""
    signer = world.ours.sign()
    keys = {"keyring": "none.gpg", "keys": [signer.fingerprint]}
    world.ours.write(world.upstreams, signature={"file": "{list}.asc", **keys})
    assert call("pull", "alma-10", "--to", at(world))[0] == 2
    assert call("pull", "--all", "--to", at(world))[0] == 4
    assert call("check", "alma-10")[0] == 2
    assert call("check")[0] == 4


def test_what_a_site_has_to_supply_is_left_out(world: World, call: Any) -> None:
    """Unless somebody asks for just that."""
    other = world.another("other")
    other.write(world.upstreams, index={"kind": "given"}, file=None)
    code, answer = call("pull", "--all", "--to", at(world), "--json")
    answers = {each["name"]: each["answer"] for each in answer["images"]}
    assert (code, answers) == (0, {"alma-10": "pulled", "alma-9": "skipped"})
    assert "nobody has supplied" in answer["images"][0]["reason"]
    assert call("pull", "alma-9", "--to", at(world))[0] == 2
    assert call("pull", "other", "--to", at(world))[0] == 2
    # Some of it is there: who names a source wants what there is.
    assert call("pull", "alma-*", "--to", at(world))[0] == 0
    assert call("pull", "alma-*", "alma-9", "--to", at(world))[0] == 2
    assert call("check", "--exit-code", "--store", at(world))[0] == 5


def test_a_store_is_expired_as_the_files_say(world: World, call: Any) -> None:
    """`fai-forge expire` keeps what `upstream pull` promises."""
    world.ours.write(world.upstreams, keep=4)
    for number in range(1, 6):
        world.ours.put(f"10.{number}", f"2026110{number}")
        assert call("pull", "--all", "--to", at(world))[0] == 0
    assert len(world.images()) == 4
    assert cli.main(["expire", "--store", at(world)]) == 0
    assert len(world.images()) == 4
    world.ours.write(world.upstreams, keep=2)
    assert cli.main(["expire", "--store", at(world)]) == 0
    assert len(world.images()) == 2


def test_a_project_without_the_channel(world: World, call: Any) -> None:
    path = world.folder / "project/images.yaml"
    path.write_text("channels: {release: {summary: x, delete_after: 3d}}\nimages: []\n")
    assert call("pull", "--all", "--to", at(world))[0] == 2
    assert not world.images()


def test_an_answer_that_is_nonsense_is_infrastructure(world: World, call: Any) -> None:
    world.server.routes["/ours/SHA256SUMS"] = Reply(b"<html>")
    code, answer = call("check", "--json")
    assert (code, answer["images"][0]["state"]) == (4, "failed")
    assert "is no list of digests" in answer["images"][0]["reason"]
