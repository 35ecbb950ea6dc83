# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of an upstream come into a store: once, described, under our names, and not for ever."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.store.index import TagEntry
from builder.store.tending import pin
from builder.upstream import finding
from builder.upstream.asking import Asking
from builder.upstream.finding import Found
from builder.upstream.series import Series
from tests.integration.apiserver import Reply
from tests.integration.remoteworld import disk, sha256
from tests.integration.signing import KeyHome
from tests.integration.upstreamworld import DAY, NOW, World, made
from tests.unit.stores import build, put


@pytest.fixture
def world(tmp_path: Path, gpg_home: KeyHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with made(tmp_path, gpg_home, monkeypatch) as world:
        yield world


def test_an_image_comes_with_all_that_is_known(world: World) -> None:
    content = world.ours.put("10.1")
    world.ours.put("10.0", "20261102")
    signer = world.ours.sign()
    world.ours.write(world.upstreams, min_disk=12, keep=2, provided_until="2035-05-31")
    outcome = world.one()
    assert (outcome.answer, outcome.transferred) == ("pulled", len(content))
    assert world.images() == [f"alma-10-{DAY}.qcow2"]
    manifest = world.manifest()
    assert manifest.title == "Our Linux 10"
    (file,) = manifest.files
    assert (file.sha256, file.size) == (sha256(content), len(content))
    origin = manifest.origin
    assert origin.url == f"{world.server.url}/ours/{world.ours.file('10.1')}"
    assert (origin.version, origin.date) == (f"10.1-{DAY}", NOW.replace(day=1, hour=0))
    assert origin.checksum == f"sha256:{sha256(content)}"
    assert origin.signed_by == signer.fingerprint
    assert manifest.properties == {
        "architecture": "x86_64",
        "hw_disk_bus": "virtio",
        "image_build_date": "2026-11-01",
        "image_description": f"Our Linux 10, 10.1-{DAY}, as its makers publish it",
        "image_original_user": "ours",
        "image_source": "private",
        "min_disk": "12",
        "min_ram": "1024",
        "os_distro": "ourlinux",
        "os_purpose": "generic",
        "os_version": "10",
        "provided_until": "2035-05-31",
        "replace_frequency": "monthly",
        "uuid_validity": "last-2",
    }
    assert [check.verdict for check in manifest.checks] == ["passed"]
    assert world.builds()[0].unverified == ("no boot was tried",)
    assert not list((world.folder / "cache/incoming/.upstream").iterdir())


def test_a_second_pull_transfers_nothing(world: World) -> None:
    world.ours.put("10.1")
    world.ours.sign()
    world.ours.write(world.upstreams)
    world.pull()
    world.asked()
    outcome = world.one()
    assert (outcome.answer, outcome.transferred) == ("unchanged", 0)
    log = list(world.server.log)
    assert world.asked() == ["/ours/SHA256SUMS", "/ours/SHA256SUMS.asc"]
    assert all(each.headers["If-None-Match"] for each in log)


def test_a_new_version_replaces_its_metadata_and_old_ones_go(world: World) -> None:
    for number in range(1, 6):
        world.ours.put(f"10.{number}", f"2026110{number}")
        world.ours.write(world.upstreams, title=f"Our Linux {number},", min_ram=number, keep=2)
        done = world.pull()
        gone = [step.build.serial for step in done.removed]
        assert gone == ([f"2026110{number - 2}"] if number > 2 else [])
        assert world.serials()[-1] == f"2026110{number}"
        assert world.manifest().properties["min_ram"] == str(number)
    index = world.store.current()
    assert index
    assert index.series[0].title == "Our Linux 5, 10"
    assert len(world.images()) == 2


def test_what_is_pinned_stays(world: World) -> None:
    world.ours.put("10.1", "20261101")
    world.ours.write(world.upstreams, keep=1)
    world.pull()
    pin(world.store, "alma-10", world.builds()[0], TagEntry(tag="10.1", date=NOW), NOW)
    for number in (2, 3):
        world.ours.put(f"10.{number}", f"2026110{number}")
        world.pull()
    assert world.serials() == ["20261101", "20261103"]


def test_builds_of_one_day_are_told_apart(world: World) -> None:
    """Also where its makers do not: nothing is published twice under one serial."""
    world.ours.write(world.upstreams)
    first = world.ours.put("10.1")
    world.pull()
    second = world.ours.put("10.2")
    world.pull()
    third = world.ours.put("10.2")
    reason = world.one().reason
    assert "replaced by other content" in reason
    assert world.serials() == [DAY, f"{DAY}.1", f"{DAY}.2"]
    files = [path.read_bytes() for path in sorted((world.folder / "store").rglob("*.qcow2"))]
    assert files == [first, second, third]


def test_a_newer_version_of_an_older_day_becomes_the_newest(world: World) -> None:
    world.ours.write(world.upstreams)
    world.ours.put("10.9", "20261110")
    world.pull()
    world.ours.put("10.10", "20261105")
    world.pull()
    assert world.serials() == ["20261110", "20261110.1"]
    assert world.manifest().origin.version == "10.10-20261105"
    assert world.manifest().properties["image_build_date"] == "2026-11-05"
    assert world.one().answer == "unchanged"


def test_an_older_version_is_left_alone(world: World) -> None:
    world.ours.write(world.upstreams)
    world.ours.put("10.1", "20261101")
    world.ours.put("10.2", "20261102")
    world.pull()
    world.ours.take_back("10.2", "20261102")
    world.asked()
    done = world.pull()
    (outcome,) = done.outcomes
    assert (outcome.answer, done.failed) == ("older", False)
    assert "10.2-20261102, which is newer than 10.1-20261101" in outcome.reason
    assert world.asked() == ["/ours/SHA256SUMS"]
    assert world.serials() == ["20261102"]


def test_one_that_fails_stops_neither_others_nor_the_cleanup(world: World) -> None:
    other = world.another("other")
    for distribution in (world.ours, other):
        distribution.put("10.1", "20261101")
        distribution.write(world.upstreams, keep=1)
    world.pull()
    content = other.put("10.2", "20261102")
    world.ours.put("10.2", "20261102")
    world.server.routes["/ours/SHA256SUMS"] = Reply(status=404)
    done = world.pull(jobs=2)
    answers = {each.checked.name: each.answer for each in done.outcomes}
    assert answers == {"alma-10": "failed", "alma-9": "pulled"}
    assert done.failed
    assert done.transferred == len(content)
    assert [(step.series, step.build.serial) for step in done.removed] == [("alma-9", "20261101")]


def test_what_nobody_foresaw_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = world.another("other")
    for distribution in (world.ours, other):
        distribution.put("10.1", "20261101")
        distribution.write(world.upstreams)
    newest = finding.newest

    def odd(series: Series, asking: Asking) -> Found:
        if series.name == "alma-9":
            raise KeyError("checksum")
        return newest(series, asking)

    monkeypatch.setattr(finding, "newest", odd)
    outcomes = {each.checked.name: each for each in world.pull().outcomes}
    assert outcomes["alma-10"].answer == "pulled"
    assert (outcomes["alma-9"].answer, outcomes["alma-9"].code) == ("failed", 4)
    assert "what is said of alma-9 makes no sense to us (KeyError: " in outcomes["alma-9"].reason


def test_two_files_for_one_image_are_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.ours.put("10.1")
    world.ours.write(world.upstreams)
    (file,) = world.upstreams.glob("*.yaml")
    shutil.copy(file, world.upstreams / "zz-site.yaml")
    (outcome,) = world.pull().outcomes
    assert outcome.checked.source == "zz-site"
    assert "zz-site.yaml: the latter counts" in caplog.text


def test_a_mirror_is_asked_where_the_server_fails(world: World) -> None:
    content = world.ours.put("10.1")
    name = world.ours.file("10.1")
    base = f"{world.server.url}/ours/"
    world.ours.write(world.upstreams, mirrors={base: [f"{world.server.url}/mirror/"]})
    world.server.routes[f"/mirror/{name}"] = world.server.routes.pop(f"/ours/{name}")
    assert world.one().transferred == len(content)
    assert world.manifest().origin.url == f"{world.server.url}/mirror/{name}"


def test_a_sites_own_mirror_is_asked_instead(world: World) -> None:
    world.ours.put("10.1")
    path = world.ours.write(world.upstreams)
    text = path.read_text().replace(f"{world.server.url}/ours/", "https://nowhere.invalid/their/")
    path.write_text(text)
    asking = Asking({"https://nowhere.invalid/their/": f"{world.server.url}/ours/"})
    assert world.one(asking=asking).answer == "pulled"
    assert world.manifest().properties["image_source"].startswith("https://nowhere.invalid/their/")


def test_a_dry_run_changes_nothing(world: World) -> None:
    world.ours.put("10.1", "20261101")
    world.ours.write(world.upstreams, keep=1)
    assert [each.answer for each in world.pull(dry_run=True).outcomes] == ["planned"]
    assert not world.images()
    world.pull()
    world.ours.put("10.2", "20261102")
    world.asked()
    done = world.pull(dry_run=True)
    assert [each.answer for each in done.outcomes] == ["planned"]
    assert [step.build.serial for step in done.removed] == ["20261101"]
    assert world.asked() == ["/ours/SHA256SUMS"]
    assert world.serials() == ["20261101"]


def test_our_own_series_is_not_mixed_with_theirs(world: World, tmp_path: Path) -> None:
    put(world.store, build(tmp_path / "out", "20261120", name="alma-10"))
    world.ours.put("10.1")
    world.ours.write(world.upstreams)
    outcome = world.one()
    assert outcome.answer == "failed"
    assert "in the channel release, too" in outcome.reason


def test_a_version_from_the_future_waits(world: World) -> None:
    """A store with such a build could expire nothing."""
    world.ours.put("10.1", "20261122")
    world.ours.write(world.upstreams)
    assert "20261122, and it is 20261121 here" in world.one().reason
    assert replace(world, now=NOW.replace(day=22)).one().answer == "pulled"


def test_a_word_that_means_nothing(world: World) -> None:
    world.ours.put("10.1", content=disk(world.folder))
    world.ours.write(world.upstreams)
    with pytest.raises(UsageError, match="no upstream has alma-11; did you mean alma-10"):
        world.pull("alma-11")
    assert [each.answer for each in world.pull("alma-1*").outcomes] == ["pulled"]
    assert [each.answer for each in world.pull("ours").outcomes] == ["unchanged"]
