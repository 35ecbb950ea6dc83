# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder of built images: a build is there whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder import names
from builder.builds import Builds, Draft
from builder.errors import InfrastructureError, UsageError

NAME = "debian-13"


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    return Builds(tmp_path / "out")


def finish(builds: Builds, serial: str | None = None) -> str:
    with builds.new(NAME, serial) as draft:
        draft.file(".qcow2").write_text("disk")
        return draft.publish().serial


def left(builds: Builds) -> list[str]:
    """What is in the series' folder beside the lock."""
    return sorted(path.name for path in (builds.root / NAME).iterdir() if path.name != ".lock")


def test_a_published_build_has_its_files(builds: Builds) -> None:
    serial = finish(builds, "20261120")
    built = builds.find(names.parse(NAME))
    assert (built.serial, str(built)) == (serial, "debian-13-20261120")
    assert built.file(".qcow2").read_text() == "disk"
    assert built.manifest.name == "debian-13-20261120.manifest.json"
    assert left(builds) == ["20261120"]


def test_nothing_has_the_final_name_before_publishing(builds: Builds) -> None:
    with builds.new(NAME, "20261120") as draft:
        draft.file(".qcow2").write_text("half")
        assert builds.of(NAME) == ()
        assert left(builds) == [".20261120.partial"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_build_leaves_nothing(builds: Builds, error: type[BaseException]) -> None:
    def fail() -> None:
        with builds.new(NAME, None) as draft:
            draft.file(".qcow2").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert left(builds) == []
    assert finish(builds, "20261120") == "20261120"


def test_what_a_killed_build_left_goes_with_the_next(builds: Builds) -> None:
    stale = builds.root / NAME / ".20261119.partial"
    stale.mkdir(parents=True)
    (stale / "debian-13-20261119.qcow2").write_text("half")
    finish(builds, "20261120")
    assert left(builds) == ["20261120"]


def test_serials_of_one_day(builds: Builds) -> None:
    first, second = finish(builds), finish(builds)
    assert first[:8] in (f"{datetime.now(UTC):%Y%m%d}", second[:8])
    assert second == f"{first}.1" or second[:8] > first
    assert [built.serial for built in builds.of(NAME)] == [first, second]


def test_a_build_is_never_overwritten(builds: Builds) -> None:
    finish(builds, "20261120")
    with (
        pytest.raises(UsageError, match="never overwritten") as caught,
        builds.new(NAME, "20261120"),
    ):
        pytest.fail("there is such a build")
    assert "--serial" in caught.value.hint
    assert builds.of(NAME)[0].file(".qcow2").read_text() == "disk"


def test_two_builds_of_a_name_exclude_each_other(builds: Builds) -> None:
    with builds.new(NAME, "20261120") as draft:
        with pytest.raises(InfrastructureError, match="another build of debian-13 is running"):
            finish(builds, "20261121")
        # The second has not taken the first for a killed one.
        assert draft.folder.is_dir()
        with builds.new("debian-13-hypervisor", "20261120"):
            pass
    finish(builds, "20261121")


def test_the_log_of_a_failure_is_kept(builds: Builds) -> None:
    with builds.new(NAME, "20261120") as draft:
        draft.file(".qcow2").write_text("half")
        assert draft.keep_log() is None
        draft.file(".fai.log.gz").write_text("log")
        kept = draft.keep_log()
    assert kept is not None
    assert kept.read_text() == "log"
    assert left(builds) == ["20261120.failed"]
    assert builds.of(NAME) == ()
    # A second failure under the same serial replaces the first one's log.
    with builds.new(NAME, "20261120") as draft:
        draft.file(".fai.log.gz").write_text("newer")
        draft.keep_log()
    assert kept.read_text() == "newer"


def test_the_newest_is_found_by_number_and_not_by_text(builds: Builds) -> None:
    for serial in ("20261120.10", "20261120.9", "20251231"):
        finish(builds, serial)
    assert [built.serial for built in builds.of(NAME)] == ["20251231", "20261120.9", "20261120.10"]
    assert builds.find(names.parse("debian-13")).serial == "20261120.10"
    assert builds.find(names.parse("trixie-20251231")).serial == "20251231"


def test_what_is_no_build_is_not_listed(builds: Builds) -> None:
    finish(builds, "20261120")
    (builds.root / NAME / "2026-notes").mkdir()
    (builds.root / NAME / "20261119").write_text("a file")
    (builds.root / "README").touch()
    assert [str(built) for built in builds.all()] == ["debian-13-20261120"]


def test_all_goes_by_name_then_age(builds: Builds) -> None:
    finish(builds, "20261121")
    finish(builds, "20261120")
    with builds.new("debian-12", "20261122") as draft:
        draft.publish()
    assert [str(built) for built in builds.all()] == [
        "debian-12-20261122",
        "debian-13-20261120",
        "debian-13-20261121",
    ]


@pytest.mark.parametrize("asked", ["debian-13", "debian-13-20261119"])
def test_a_build_that_is_not_there(builds: Builds, asked: str) -> None:
    if asked != "debian-13":
        finish(builds, "20261120")
    with pytest.raises(UsageError, match=f"no build of {asked}") as caught:
        builds.find(names.parse(asked))
    assert caught.value.hint == "make debian-13"


def test_a_folder_that_was_never_made(tmp_path: Path) -> None:
    assert Builds(tmp_path / "none").all() == ()


def test_publishing_needs_every_file_on_disk(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def publish(draft: Draft) -> None:
        draft.file(".qcow2").write_text("disk")
        monkeypatch.setattr("os.fsync", full)
        draft.publish()

    with pytest.raises(OSError, match="No space"), builds.new(NAME, "20261120") as draft:
        publish(draft)
    assert builds.of(NAME) == ()
