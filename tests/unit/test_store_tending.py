# SPDX-License-Identifier: GPL-2.0-or-later
"""Promotion and expiry in a store in a folder: what changes, and what a kill leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder import distros
from builder.channels import DEFAULTS
from builder.errors import InfrastructureError, UsageError
from builder.manifest import document, model
from builder.store import reading
from builder.store.folder import FolderPlace
from builder.store.index import Build, StoreIndex
from builder.store.place import Place
from builder.store.promoting import Promotion
from builder.store.registry import Document, Registry
from builder.store.retention import Step
from builder.store.tags import TagRow
from builder.store.tending import Wishes, expire, promote, remove
from builder.store.writing import Publisher, refresh
from tests.unit.stores import Seal, build, publisher, put

COMMIT = "a" * 40
FIRST = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
NAME = "debian-13"


def publish(tmp_path: Path, day: int, channel: str) -> str:
    """Publish a build of that many days after FIRST; its serial."""
    now = FIRST + timedelta(days=day)
    made = build(tmp_path / "out", f"{now:%Y%m%d}", image=f"day {day}".encode())
    manifest = document.load(made.manifest)
    commits = (model.SourceCommit(overlay="base", commit=COMMIT, dirty=False),)
    how_built = manifest.build.model_copy(update={"commits": commits})
    made.manifest.write_text(document.dump(manifest.model_copy(update={"build": how_built})))
    put(publisher(tmp_path), made, channel=channel, now=now)
    return made.serial


def expired(tmp_path: Path, day: int, *, dry_run: bool = False) -> tuple[Step, ...]:
    now = FIRST + timedelta(days=day)
    return expire(
        publisher(tmp_path),
        DEFAULTS,
        lambda entry: distros.end_of_life(entry.distro, entry.release),
        now,
        dry_run=dry_run,
    )


def index(tmp_path: Path) -> StoreIndex:
    store = publisher(tmp_path)
    found = reading.signed(store.place, Seal(), store.memory)
    assert found is not None
    return found


def builds(tmp_path: Path) -> dict[str, Build]:
    return {build.serial: build for build in index(tmp_path).series[0].builds}


def tree(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "store"
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def in_folder(tmp_path: Path, folder: str) -> set[str]:
    return {path.name for path in (tmp_path / "store" / folder).iterdir()}


TOMBSTONE = {"SHA256SUMS", "SHA256SUMS.asc", "SHA256SUMS.gpg", "SHA512SUMS", "SHA512SUMS.asc"}


def test_a_life_of_daily_builds(tmp_path: Path) -> None:
    first = publish(tmp_path, 0, "daily")
    second = publish(tmp_path, 10, "daily")
    before = tree(tmp_path)
    assert [step.action for step in expired(tmp_path, 10)] == ["keep", "keep"]
    assert tree(tmp_path) == before

    assert [step.action for step in expired(tmp_path, 14)] == ["hide", "keep"]
    assert [each.state for each in builds(tmp_path).values()] == ["hidden", "public"]
    after = tree(tmp_path)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {
        "index.json",
        "index.json.asc",
    }

    assert [step.action for step in expired(tmp_path, 60)] == ["remove", "keep"]
    found = builds(tmp_path)
    assert (found[first].state, found[first].images) == ("removed", ())
    stem = f"{NAME}-{first}"
    assert in_folder(tmp_path, f"{NAME}/daily/{first}") == {*TOMBSTONE, f"{stem}.manifest.json"}
    assert f"{NAME}-{second}.qcow2" in in_folder(tmp_path, f"{NAME}/daily/{second}")
    place = publisher(tmp_path).place
    assert reading.manifest(place, NAME, found[first]).serial == first
    assert [step.build.serial for step in expired(tmp_path, 600)] == [second]


def test_an_index_stays_valid_for_as_long_as_its_publisher_said(tmp_path: Path) -> None:
    publish(tmp_path, 0, "daily")
    now = FIRST + timedelta(days=1)
    refresh(replace(publisher(tmp_path), valid=timedelta(days=9)), now)
    promoted(tmp_path, [row(f"{FIRST:%Y%m%d}", "rc1")], day=2)
    found = index(tmp_path)
    assert found.date == FIRST + timedelta(days=2)
    assert found.valid_until == FIRST + timedelta(days=11)


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, 0, "daily")
    publish(tmp_path, 50, "daily")
    before = tree(tmp_path)
    # Neither the lock of a publisher that is at work stands in its way.
    with publisher(tmp_path).place.lock():
        found = expired(tmp_path, 70, dry_run=True)
    assert [step.action for step in found] == ["remove", "keep"]
    assert tree(tmp_path) == before
    assert found == expired(tmp_path, 70)


@dataclass(frozen=True)
class Killed:
    """A place whose publisher dies before the removal of the n-th file."""

    place: Place
    left: list[int]

    def __getattr__(self, name: str) -> object:
        return getattr(self.place, name)

    def remove(self, path: str) -> None:
        if not self.left[0]:
            raise KeyboardInterrupt
        self.left[0] -= 1
        self.place.remove(path)


@pytest.mark.parametrize("files", [0, 1])
def test_a_killed_expiry_leaves_a_true_index_and_the_next_one_completes_it(
    tmp_path: Path, files: int
) -> None:
    first = publish(tmp_path, 0, "daily")
    publish(tmp_path, 50, "daily")
    store = publisher(tmp_path)
    dying = replace(store, place=Killed(store.place, [files]))  # type: ignore[arg-type]
    now = FIRST + timedelta(days=61)
    with pytest.raises(KeyboardInterrupt):
        expire(dying, DEFAULTS, lambda _: None, now)
    assert builds(tmp_path)[first].state == "removed"
    folder = f"{NAME}/daily/{first}"
    assert len(in_folder(tmp_path, folder) - TOMBSTONE) == 3 - files
    serial = index(tmp_path).serial
    expired(tmp_path, 62)
    assert in_folder(tmp_path, folder) == {*TOMBSTONE, f"{NAME}-{first}.manifest.json"}
    assert index(tmp_path).serial == serial


def test_what_is_not_understood_changes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, 0, "daily")
    publish(tmp_path, 1, "nightly")
    publish(tmp_path, 2, "daily")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="in the channel nightly"):
        expired(tmp_path, 90)
    assert tree(tmp_path) == before


def test_only_a_store_has_something_to_expire(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="there is no folder"):
        expired(tmp_path, 0)
    assert not (tmp_path / "store").exists()
    (tmp_path / "store").mkdir()
    with pytest.raises(UsageError, match="there is no index"):
        expired(tmp_path, 0)
    assert tree(tmp_path) == {}


@dataclass
class FakeRegistry:
    """A registry with one repository; `broken` says which method fails."""

    tags: dict[str, bytes]
    broken: str = ""

    def open(self, _name: str) -> Registry:
        return self  # type: ignore[return-value]

    def get(self, tag: str) -> Document | None:
        if self.broken == "get":
            raise InfrastructureError("forbidden to read")
        content = self.tags.get(tag)
        return Document("x", content) if content is not None else None

    def put(self, tag: str, document: Document) -> None:
        if self.broken == "put":
            raise InfrastructureError("forbidden to write")
        self.tags[tag] = document.content


def row(serial: str, tag: str, name: str = NAME) -> TagRow:
    return TagRow(name=name, src_build_tag=serial, src_ref=COMMIT, tag=tag)


def oci_row(source: str, tag: str) -> TagRow:
    return row(source, tag, "registry.invalid/a/b")


def promoted(
    tmp_path: Path,
    rows: Sequence[TagRow],
    registry: FakeRegistry | None = None,
    *,
    monthly: bool = False,
    dry_run: bool = False,
    day: int = 20,
) -> tuple[Promotion, ...]:
    wishes = Wishes(rows, monthly, (registry or FakeRegistry({})).open)
    store: Publisher | None = publisher(tmp_path) if wishes.needs_store else None
    return promote(store, wishes, DEFAULTS, FIRST + timedelta(days=day), dry_run=dry_run)


def outcomes(found: Sequence[Promotion]) -> list[str]:
    return [each.outcome for each in found]


def tags(tmp_path: Path) -> dict[str, str]:
    return {tag.tag: serial for serial, build in builds(tmp_path).items() for tag in build.tags}


def test_both_kinds_are_promoted_and_again_nothing_happens(tmp_path: Path) -> None:
    serial = publish(tmp_path, 0, "release")
    registry = FakeRegistry({"build.1": b"one"})
    rows = [oci_row("build.1", "v1"), row(serial, "13.2")]
    assert outcomes(promoted(tmp_path, rows, registry)) == ["create", "create"]
    assert tags(tmp_path) == {"13.2": serial}
    assert registry.tags == {"build.1": b"one", "v1": b"one"}
    (entry,) = builds(tmp_path)[serial].tags
    assert (entry.reference, entry.date) == (COMMIT, FIRST + timedelta(days=20))

    before = tree(tmp_path)
    assert outcomes(promoted(tmp_path, rows, registry, day=30)) == ["there", "there"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("bad", [row("20260930", "13.3"), oci_row("build.9", "v9")])
def test_nothing_moves_if_one_row_is_refused(tmp_path: Path, bad: TagRow) -> None:
    serial = publish(tmp_path, 0, "release")
    registry = FakeRegistry({"build.1": b"one"})
    before = tree(tmp_path)
    rows = [row(serial, "13.2"), oci_row("build.1", "v1"), bad]
    assert sorted(outcomes(promoted(tmp_path, rows, registry))) == ["create", "create", "refused"]
    assert tree(tmp_path) == before
    assert list(registry.tags) == ["build.1"]


def test_a_dry_run_moves_nothing(tmp_path: Path) -> None:
    serial = publish(tmp_path, 0, "release")
    registry = FakeRegistry({"build.1": b"one"})
    before = tree(tmp_path)
    rows = [row(serial, "13.2"), oci_row("build.1", "v1")]
    assert outcomes(promoted(tmp_path, rows, registry, dry_run=True)) == ["create", "create"]
    assert tree(tmp_path) == before
    assert list(registry.tags) == ["build.1"]


def test_a_registry_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    serial = publish(tmp_path, 0, "release")
    before = tree(tmp_path)
    rows = [row(serial, "13.2"), oci_row("build.1", "v1")]
    with pytest.raises(InfrastructureError, match="forbidden to read"):
        promoted(tmp_path, rows, FakeRegistry({}, "get"))
    assert tree(tmp_path) == before


def test_a_registry_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    serial = publish(tmp_path, 0, "release")
    registry = FakeRegistry({"build.1": b"one", "v0": b"one"}, "put")
    rows = [oci_row("build.1", "v0"), oci_row("build.1", "v1"), row(serial, "13.2")]
    ours, there, failed = promoted(tmp_path, rows, registry)
    assert (ours.outcome, there.outcome) == ("create", "there")
    assert (failed.outcome, failed.reason) == ("failed", "forbidden to write")
    assert tags(tmp_path) == {"13.2": serial}


def test_no_store_is_needed_for_oci_images_alone(tmp_path: Path) -> None:
    registry = FakeRegistry({"build.1": b"one"})
    assert outcomes(promoted(tmp_path, [oci_row("build.1", "v1")], registry)) == ["create"]
    assert not (tmp_path / "store").exists()
    assert not Wishes([oci_row("build.1", "v1")]).needs_store
    assert Wishes(monthly=True).needs_store


def test_a_month_by_rule_unless_the_file_says_another_build(tmp_path: Path) -> None:
    first = publish(tmp_path, 0, "release")
    second = publish(tmp_path, 5, "release")
    (found,) = promoted(tmp_path, [row(second, "202609")], monthly=True, dry_run=True)
    assert (found.source, found.outcome) == (second, "create")
    assert outcomes(promoted(tmp_path, [], monthly=True)) == ["create"]
    assert tags(tmp_path) == {"202609": first}
    assert outcomes(promoted(tmp_path, [row(second, "202609")])) == ["refused"]


def test_what_has_a_tag_does_not_expire(tmp_path: Path) -> None:
    serial = publish(tmp_path, 0, "daily")
    publish(tmp_path, 1, "daily")
    expired(tmp_path, 15)
    assert builds(tmp_path)[serial].state == "hidden"
    promoted(tmp_path, [row(serial, "rc1")])
    steps = {step.build.serial: step.action for step in expired(tmp_path, 400)}
    assert steps[serial] == "keep"
    assert builds(tmp_path)[serial].state == "public"


def test_a_manifest_that_is_not_the_published_one_stops_it(tmp_path: Path) -> None:
    serial = publish(tmp_path, 0, "release")
    place = publisher(tmp_path).place
    assert isinstance(place, FolderPlace)
    path = place.root / NAME / serial / f"{NAME}-{serial}.manifest.json"
    path.write_text(path.read_text().replace(COMMIT, "b" * 40))
    with pytest.raises(InfrastructureError, match="its digest is another"):
        promoted(tmp_path, [row(serial, "13.2")])
    assert tags(tmp_path) == {}


def test_what_a_site_removes(tmp_path: Path) -> None:
    """Its manifest stays, and a tag keeps its build."""
    first, second, third = (publish(tmp_path, day, "release") for day in (0, 1, 2))
    builds = {each.serial: each for each in index(tmp_path).series[0].builds}
    wishes = Wishes([TagRow(name=NAME, src_build_tag=second, src_ref=COMMIT, tag="rc1")])
    promote(publisher(tmp_path), wishes, DEFAULTS, FIRST + timedelta(days=2))
    wanted = [(NAME, builds[serial]) for serial in (first, second)]
    steps = remove(publisher(tmp_path), wanted, FIRST + timedelta(days=3), "enough of it")
    assert [step.build.serial for step in steps] == [first]
    states = {each.serial: each.state for each in index(tmp_path).series[0].builds}
    assert states == {first: "removed", second: "public", third: "public"}
    left = sorted(path.name for path in (tmp_path / "store" / NAME / first).iterdir())
    assert f"{NAME}-{first}.manifest.json" in left
    assert f"{NAME}-{first}.qcow2" not in left
    assert not index(tmp_path).series[0].builds[0].images
    assert remove(publisher(tmp_path), wanted, FIRST + timedelta(days=3), "enough of it") == ()
