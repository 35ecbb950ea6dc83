# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility check`: what is found wrong, and what helps."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from builder.errors import InfrastructureError
from builder.facility import checking, initial, sitekey
from builder.facility.targets.target import Finding
from builder.progress import NoProgress
from tests.unit.facilityworld import FakeTarget, World, offer, world
from tests.unit.stores import NOW, build


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that signs, and never expires."""
    monkeypatch.setattr(sitekey, "try_to_sign", lambda _key: None)
    monkeypatch.setattr(sitekey, "expiry", lambda _key: None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = world(tmp_path, monkeypatch)
    initial.open_store(found.site, NOW)
    found.remotes["portal"].given = [offer("debian-13", "20261120"), offer("debian-12", "20261120")]
    return found


def wrong(world: World) -> dict[str, Finding]:
    return {
        each.subject: each for each in checking.check(world.site, NOW, world.doors) if not each.ok
    }


def test_nothing_is_wrong(here: World) -> None:
    assert wrong(here) == {}
    subjects = {each.subject for each in checking.check(here.site, NOW, here.doors)}
    assert {"key", "store", "state", "remote portal", "series debian-13*", "space"} <= subjects
    assert "target pool" in subjects


def test_a_key_that_asks_is_found(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_key: str) -> None:
        raise InfrastructureError("it asks", hint="take the passphrase off")

    monkeypatch.setattr(sitekey, "try_to_sign", fail)
    assert wrong(here)["key"].hint == "take the passphrase off"


def test_a_key_that_ends_soon_is_found(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitekey, "expiry", lambda _key: NOW + timedelta(days=2))
    assert "2026-11-23" in wrong(here)["key"].sentence


def test_a_store_without_an_index_is_found(here: World) -> None:
    shutil.rmtree(here.site.store.place.root)
    assert "no index" in wrong(here)["store"].sentence


def test_an_index_that_ends_soon_is_found(here: World) -> None:
    late = NOW + timedelta(days=25)
    found = [each for each in checking.check(here.site, late, here.doors) if not each.ok]
    assert [each.subject for each in found] == ["store"]
    assert "--refresh" in found[0].hint


def test_a_remote_that_is_down_is_found_and_stops_nothing(here: World) -> None:
    here.remotes["portal"].given = InfrastructureError("it is down", hint="call somebody")
    found = wrong(here)
    assert found["remote portal"] == Finding(False, "remote portal", "it is down", "call somebody")
    assert "no answer" in found["series debian-13*"].sentence
    assert set(found) == {"remote portal", "series debian-13*"}


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (offer("debian-12", "20261120"), "nothing of portal matches"),
        (offer("debian-13", "20261120", channel="daily"), "nothing of portal matches in release"),
        (offer("debian-13", "20261120", format_="raw"), "debian-13 is not there as qcow2"),
    ],
)
def test_a_row_without_images_is_found(here: World, offered: Any, said: str) -> None:
    here.remotes["portal"].given = [offered]
    assert said in wrong(here)["series debian-13*"].sentence


def test_a_row_of_another_channel_is_told_which(here: World) -> None:
    here.remotes["portal"].given = [offer("debian-13", "20261120", channel="upstream")]
    found = wrong(here)["series debian-13*"]
    assert found.hint == "it is in upstream: say channels: [upstream] in that row"


def test_too_little_room_is_found(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here.remotes["portal"].given = [
        offer("debian-13", f"2026112{day}", size=10**9) for day in range(4)
    ]
    # Of each series the newest is taken, and one more copy is made on the way.
    for free, good in ((2 * 10**9, False), (2 * 10**9 + 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: Usage(0, 0, free))
        assert ("space" not in wrong(here)) is good


def test_each_channel_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"match": "debian-13", "channels": ["release", "daily"]}
    found = world(tmp_path, monkeypatch, {"series": [row]})
    found.remotes["portal"].given = [
        offer("debian-13", f"2026112{day}", size=10**9, channel=channel)
        for day, channel in enumerate(("release", "daily"))
    ]
    said = next(
        each.sentence
        for each in checking.check(found.site, NOW, found.doors)
        if each.subject == "space"
    )
    assert "3.0 GB are needed" in said


def test_what_is_here_needs_no_room(here: World, tmp_path: Path) -> None:
    here.remotes["portal"].given = [offer("debian-13", "20261120", size=10**9)]
    assert "2.0 GB are needed" in next(
        each.sentence
        for each in checking.check(here.site, NOW, here.doors)
        if each.subject == "space"
    )
    built = build(tmp_path / "out", "20261120")
    here.site.store.admit(built.folder, "release", NOW, NoProgress())
    found = checking.check(here.site, NOW, here.doors)
    assert next(each for each in found if each.subject == "space").sentence.endswith(
        "0 MB are needed to sync"
    )


def test_a_quota_that_is_too_small_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"path": "images", "key": "A" * 40, "quota": "1GB"}
    found = world(tmp_path, monkeypatch, {"store": key})
    initial.open_store(found.site, NOW)
    for size, good in ((5 * 10**8, True), (6 * 10**8, False)):
        found.remotes["portal"].given = [
            offer("debian-13", f"2026112{day}", size=size) for day in range(2)
        ]
        assert ("quota" not in wrong(found)) is good


def token_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: Mapping[str, str]) -> World:
    entry = {
        "kind": "github",
        "repository": "us/images",
        "token": token,
        "images": [{"name": "appliance-1", "asset": "x"}],
    }
    found = world(tmp_path, monkeypatch, {"remotes": {"portal": entry}, "series": []})
    initial.open_store(found.site, NOW)
    return found


@pytest.mark.parametrize(
    ("mode", "content", "said"),
    [
        (0o600, "secret", None),
        (0o640, "secret", "others than its owner can read"),
        (0o604, "secret", "others than its owner can read"),
        (0o600, "", "holds no token"),
        (None, "", "No such file"),
    ],
)
def test_a_token_that_others_can_read_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: int | None,
    content: str,
    said: str | None,
) -> None:
    found = token_world(tmp_path, monkeypatch, {"file": "token"})
    if mode is not None:
        (tmp_path / "token").write_text(content)
        (tmp_path / "token").chmod(mode)
    problem = wrong(found).get("token of portal")
    assert (problem is None) if said is None else (problem and said in problem.sentence)
    assert not problem or "secret" not in problem.sentence + problem.hint


def test_a_token_that_is_not_set_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = token_world(tmp_path, monkeypatch, {"env": "OUR_TOKEN"})
    monkeypatch.delenv("OUR_TOKEN", raising=False)
    assert "$OUR_TOKEN is not set" in wrong(found)["token of portal"].sentence
    monkeypatch.setenv("OUR_TOKEN", "secret")
    assert wrong(found) == {}


@pytest.mark.parametrize(("mode", "good"), [(0o600, True), (0o644, False)])
def test_secrets_of_jobs_that_others_can_read_are_found(
    here: World, tmp_path: Path, mode: int, good: bool
) -> None:
    (tmp_path / checking.SECRETS).write_text("OUR_TOKEN=secret")
    (tmp_path / checking.SECRETS).chmod(mode)
    assert (checking.SECRETS not in wrong(here)) is good


def test_an_overlay_without_classes_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = world(tmp_path, monkeypatch, {"series": [], "overlays": [{"folder": "ours"}]})
    initial.open_store(found.site, NOW)
    assert "has no folder classes/" in wrong(found)["overlay ours"].sentence
    (tmp_path / "ours" / "classes").mkdir(parents=True)
    assert wrong(found) == {}


def test_a_target_that_is_broken_is_found(here: World) -> None:
    here.targets["pool"] = FakeTarget(broken=True)
    assert wrong(here)["target pool"].hint == "start it"


def test_a_store_that_cannot_be_written_to_is_found(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    assert {"store", "incoming", "state"} <= set(wrong(here))
