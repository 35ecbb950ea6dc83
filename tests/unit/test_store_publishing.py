# SPDX-License-Identifier: GPL-2.0-or-later
"""Publishing: what lands in a store, what is refused, and what a second try does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from builder.builds import Built
from builder.errors import CheckError, ForgeError, InfrastructureError, UsageError
from builder.manifest import model
from builder.progress import NoProgress
from builder.store import reading, writing
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.index import SIGNED, StoreIndex, folder
from builder.store.publishing import Published, publish
from builder.store.tending import remove
from builder.store.writing import Publisher
from tests.unit.stores import NOW, PASSED, Seal, build, publisher, put

STEM = "debian-13-20261121"
FAILED = (model.Verdict(name="bios", verdict="failed"),)


@pytest.fixture
def store(tmp_path: Path) -> Publisher:
    return publisher(tmp_path)


def root(store: Publisher) -> Path:
    assert isinstance(store.place, FolderPlace)
    return store.place.root


def tree(path: Path) -> dict[str, bytes]:
    """Every file below a folder, but for the lock."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def index(store: Publisher) -> StoreIndex:
    return reading.read(store.place, Seal(), store.memory, NOW)


def test_what_is_published(store: Publisher, tmp_path: Path) -> None:
    done = put(store, build(tmp_path / "out", "20261121", more={"README.md": b"read me"}))
    assert (done.answer, done.folder) == ("published", "debian-13/20261121")
    found = tree(root(store))
    inside = "debian-13/20261121"
    assert set(found) == {
        "index.json",
        "index.json.asc",
        "debian-13/latest",
        f"{inside}/README.md",
        f"{inside}/{STEM}.fai.log.gz",
        f"{inside}/{STEM}.manifest.json",
        f"{inside}/{STEM}.qcow2",
        f"{inside}/SHA256SUMS",
        f"{inside}/SHA256SUMS.asc",
        f"{inside}/SHA256SUMS.gpg",
        f"{inside}/SHA512SUMS",
        f"{inside}/SHA512SUMS.asc",
    }
    assert found["debian-13/latest"] == b"20261121\n"
    for name, algorithm in (("SHA256SUMS", "sha256"), ("SHA512SUMS", "sha512")):
        content = found[f"{inside}/{name}"]
        lines = [line.split("  ") for line in content.decode().splitlines()]
        assert [file for _, file in lines] == [
            "README.md",
            *(f"{STEM}{suffix}" for suffix in (".fai.log.gz", ".manifest.json", ".qcow2")),
        ]
        for digest, file in lines:
            assert digest == hashlib.new(algorithm, found[f"{inside}/{file}"]).hexdigest()
        Seal().verify(content, found[f"{inside}/{name}.asc"], name)
    assert found[f"{inside}/SHA256SUMS.gpg"].startswith(b"bytes")
    seen = index(store)
    assert (seen.serial, seen.date, seen.valid_until) == (1, NOW, NOW + timedelta(days=30))
    (entry,) = seen.series
    (published,) = entry.builds
    assert published == done.build
    assert reading.manifest(store.place, "debian-13", published).serial == "20261121"
    assert reading.sums(store.place, "debian-13", published)["README.md"]
    assert published.unverified == ()


def test_the_same_again_changes_nothing(store: Publisher, tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261121")
    put(store, built)
    before = tree(root(store))
    again = put(store, built, now=NOW + timedelta(days=1))
    assert again.answer == "unchanged"
    assert tree(root(store)) == before


def test_other_content_under_a_published_name_is_refused(store: Publisher, tmp_path: Path) -> None:
    put(store, build(tmp_path / "out", "20261121"))
    before = tree(root(store))
    others = {
        f"{STEM}.manifest.json, {STEM}.qcow2": build(tmp_path / "a", "20261121", image=b"other"),
        "other content: extra": build(tmp_path / "b", "20261121", more={"extra": b""}),
    }
    for words, other in others.items():
        with pytest.raises(UsageError, match=words):
            put(store, other)
        with pytest.raises(UsageError, match=words):
            put(store, other, channel="daily")
    with pytest.raises(UsageError, match="in the channel release"):
        put(
            store,
            Built("debian-13", "20261121", tmp_path / "out/debian-13/20261121"),
            channel="daily",
        )
    assert tree(root(store)) == before


def test_a_removed_serial_is_not_used_again(store: Publisher, tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261121")
    put(store, built)
    old = index(store)
    (entry,) = old.series
    gone = tuple(each.model_copy(update={"state": "removed"}) for each in entry.builds)
    store.replace(old, (entry.model_copy(update={"builds": gone}),), NOW)
    with pytest.raises(UsageError, match="was removed"):
        put(store, built)
    assert "debian-13/latest" not in tree(root(store))


def test_a_site_takes_the_very_build_back_that_it_removed(store: Publisher, tmp_path: Path) -> None:
    first = put(store, build(tmp_path / "out", "20261120"))
    put(store, build(tmp_path / "out", "20261121"))
    assert remove(store, [("debian-13", first.build)], NOW, "enough of it")

    def back(built: Built) -> Published:
        return publish(store, gather(built), "release", NOW, NoProgress(), restore=True)

    other = build(tmp_path / "other", "20261120", image=b"other")
    with pytest.raises(UsageError, match="was removed"):
        back(other)
    again = back(Built("debian-13", "20261120", tmp_path / "out/debian-13/20261120"))
    assert again.answer == "published"
    assert [(each.serial, each.state) for each in again.index.series[0].builds] == [
        ("20261120", "public"),
        ("20261121", "public"),
    ]
    image = tmp_path / "store/debian-13/20261120/debian-13-20261120.qcow2"
    assert image.read_bytes() == b"image"


@pytest.mark.parametrize(
    ("checks", "boots", "doubts"),
    [
        ((), PASSED, ("no check was made",)),
        (PASSED, (), ("no boot was tried",)),
        (PASSED, FAILED, ("the boot bios failed",)),
        (FAILED, PASSED + FAILED, ("the check bios failed", "the boot bios failed")),
    ],
)
def test_what_was_not_verified_is_said_for_ever(
    checks: tuple[model.Verdict, ...],
    boots: tuple[model.Verdict, ...],
    doubts: tuple[str, ...],
    store: Publisher,
    tmp_path: Path,
) -> None:
    built = build(tmp_path / "out", "20261121", checks=checks, boots=boots)
    with pytest.raises(CheckError, match="; ".join(doubts)):
        put(store, built)
    assert tree(root(store)) == {}
    assert put(store, built, unverified=True).build.unverified == doubts
    assert put(store, built).answer == "unchanged"
    assert index(store).series[0].builds[0].unverified == doubts


def test_builds_are_in_their_order_and_others_stay(store: Publisher, tmp_path: Path) -> None:
    for serial in ("20261121.10", "20261121.9", "20261101"):
        put(store, build(tmp_path / "out", serial))
    put(store, build(tmp_path / "out", "20261122", name="debian-14"), channel="daily")
    put(store, build(tmp_path / "out", "20261123"), channel="daily")
    found = index(store)
    assert found.serial == 5
    assert [(entry.name, [each.serial for each in entry.builds]) for entry in found.series] == [
        ("debian-13", ["20261101", "20261121.9", "20261121.10", "20261123"]),
        ("debian-14", ["20261122"]),
    ]
    content = tree(root(store))
    # Of a series with released builds, the newest released one.
    assert content["debian-13/latest"] == b"20261121.10\n"
    assert content["debian-14/latest"] == b"daily/20261122\n"
    assert "debian-13/daily/20261123/SHA256SUMS" in content
    newest = reading.newest(found.series[0])
    assert newest is not None
    assert folder("debian-13", newest) == "debian-13/daily/20261123"


def link(folder: Path) -> None:
    (folder / "x.log").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (link, UsageError, "no links and no folders"),
        (lambda folder: (folder / "reports").mkdir(), UsageError, "no links and no folders"),
        (lambda folder: (folder / ".hidden").touch(), UsageError, "begin with a letter"),
        (lambda folder: (folder / "a b").touch(), UsageError, "letters, digits"),
        (lambda folder: (folder / "SHA256SUMS").touch(), UsageError, "are made when"),
        (lambda folder: (folder / f"{STEM}.qcow2").unlink(), CheckError, "is missing"),
        (lambda folder: (folder / f"{STEM}.qcow2").write_bytes(b"x"), CheckError, "not what was"),
        (lambda folder: (folder / f"{STEM}.manifest.json").unlink(), UsageError, "cannot read"),
    ],
)
def test_what_cannot_be_published(
    spoil: Callable[[Path], object], error: type[ForgeError], words: str, tmp_path: Path
) -> None:
    built = build(tmp_path / "out", "20261121")
    spoil(built.folder)
    with pytest.raises(error, match=words):
        gather(built)


def test_a_manifest_in_the_wrong_folder(tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261121")
    path = tmp_path / "out/debian-13/20261122"
    built.folder.rename(path)
    (path / f"{STEM}.manifest.json").rename(path / "debian-13-20261122.manifest.json")
    with pytest.raises(UsageError, match=f"is the manifest of {STEM}"):
        gather(Built("debian-13", "20261122", path))


def test_more_files_beside(store: Publisher, tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261121")
    more = tmp_path / "CHANGELOG.md"
    more.write_text("new")
    publish(store, gather(built, [more]), "release", NOW, NoProgress())
    assert tree(root(store))["debian-13/20261121/CHANGELOG.md"] == b"new"
    # It was made for the first publication; the build is the same without it, or with another.
    more.write_text("newer")
    for again in (gather(built), gather(built, [more])):
        assert publish(store, again, "release", NOW, NoProgress()).answer == "unchanged"
    assert tree(root(store))["debian-13/20261121/CHANGELOG.md"] == b"new"
    with pytest.raises(UsageError, match="two files have this name"):
        gather(built, [more, more])


class Killed(BaseException):
    """In place of a signal."""


@pytest.mark.parametrize("survives", range(14))
def test_whoever_is_killed_leaves_a_true_index(
    survives: int, store: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher ends before each of its changes in turn; a second one completes it."""
    put(store, build(tmp_path / "out", "20261120"))
    built = build(tmp_path / "out", "20261121")
    calls: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("upload", "write", "move"):
            real = getattr(FolderPlace, name)

            def changed(
                *arguments: object,
                real: Callable[..., None] = real,
                name: str = name,
            ) -> None:
                calls.append(name)
                if len(calls) > survives:
                    raise Killed
                real(*arguments)

            patch.setattr(FolderPlace, name, changed)
        if survives < 12:
            with pytest.raises(Killed):
                put(store, built)
        else:
            put(store, built)
    seen = [each.serial for each in index(store).series[0].builds]
    assert seen == (["20261120"] if survives < 10 else ["20261120", "20261121"])
    put(store, built)
    clean = publisher(tmp_path / "clean", Seal())
    (tmp_path / "clean").mkdir()
    for serial in ("20261120", "20261121"):
        put(clean, Built("debian-13", serial, tmp_path / "out/debian-13" / serial))
    assert tree(root(store)) == tree(root(clean))


def test_half_of_a_move_is_completed(store: Publisher, tmp_path: Path) -> None:
    """A place that renames file by file leaves some files in each folder."""
    root(store).mkdir()
    built = build(tmp_path / "out", "20261121")
    for where, suffix in (("debian-13/20261121", "qcow2"), (f".staging/{STEM}", "fai.log.gz")):
        store.place.upload(built.file(f".{suffix}"), f"{where}/{STEM}.{suffix}", lambda _: None)
    assert put(store, built).answer == "published"
    assert not any(name.startswith(".staging") for name in tree(root(store)))
    assert f"debian-13/20261121/{STEM}.fai.log.gz" in tree(root(store))


@pytest.mark.parametrize("name", ["other.txt", f"{STEM}.qcow2"])
def test_what_nobody_published_is_not_overwritten(
    name: str, store: Publisher, tmp_path: Path
) -> None:
    root(store).mkdir()
    store.place.write(f"debian-13/20261121/{name}", b"somebody's")
    with pytest.raises(UsageError, match="no index names it"):
        put(store, build(tmp_path / "out", "20261121"))
    assert tree(root(store)) == {f"debian-13/20261121/{name}": b"somebody's"}


def test_what_another_try_left_aside_is_taken_only_if_it_is_the_same(
    store: Publisher, tmp_path: Path
) -> None:
    root(store).mkdir()
    for name in (f"{STEM}.qcow2", "old.log"):
        store.place.write(f".staging/{STEM}/{name}", b"older")
    put(store, build(tmp_path / "out", "20261121"))
    found = tree(root(store))
    assert found[f"debian-13/20261121/{STEM}.qcow2"] == b"image"
    assert "debian-13/20261121/old.log" not in found


def test_a_damaged_upload_is_not_published(
    store: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(place: FolderPlace, _local: Path, path: str, _on_bytes: object) -> None:
        place.write(path, b"imagf" if path.endswith("qcow2") else b"log")

    monkeypatch.setattr(FolderPlace, "upload", damaged)
    with pytest.raises(InfrastructureError, match="is not what was uploaded"):
        put(store, build(tmp_path / "out", "20261121"))
    assert SIGNED not in tree(root(store))


def test_an_endless_file_is_not_read_back_for_ever(
    store: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FolderPlace.open

    @contextmanager
    def endless(place: FolderPlace, path: str, offset: int = 0) -> Iterator[IO[bytes]]:
        if path.endswith("qcow2"):
            with Path("/dev/zero").open("rb") as file:
                yield file
        else:
            with real(place, path, offset) as file:
                yield file

    monkeypatch.setattr(FolderPlace, "open", endless)
    with pytest.raises(InfrastructureError, match="is not what was uploaded"):
        put(store, build(tmp_path / "out", "20261121"))


def test_an_index_of_another_key_is_not_replaced(store: Publisher, tmp_path: Path) -> None:
    put(store, build(tmp_path / "out", "20261121"))
    before = tree(root(store))
    built = build(tmp_path / "out", "20261122")
    with pytest.raises(InfrastructureError, match="changed after it was signed"):
        put(publisher(tmp_path, Seal(b"others")), built)
    # And nobody signs with a key that readers do not have.
    with pytest.raises(InfrastructureError, match="the new index of"):
        put(replace(store, signer=Seal(b"others")), built)
    assert tree(root(store))["index.json.asc"] == before["index.json.asc"]


def test_a_store_that_lost_its_index_is_not_a_new_one(store: Publisher, tmp_path: Path) -> None:
    put(store, build(tmp_path / "out", "20261121"))
    (root(store) / SIGNED).unlink()
    with pytest.raises(InfrastructureError, match="is gone"):
        put(store, build(tmp_path / "out", "20261122"))


def test_a_renewed_index(store: Publisher, tmp_path: Path) -> None:
    put(store, build(tmp_path / "out", "20261121"))
    late = NOW + timedelta(days=31)
    with pytest.raises(InfrastructureError, match="was valid until 2026-12-21"):
        reading.read(store.place, Seal(), store.memory, late)
    old = store.current()
    assert old is not None
    writing.refresh(replace(store, valid=timedelta(days=7)), late)
    new = reading.read(store.place, Seal(), store.memory, late)
    assert (new.serial, new.series) == (old.serial + 1, old.series)
    assert new.valid_until == late + timedelta(days=7)
