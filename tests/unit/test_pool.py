# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache of .debs: what is used is what the signed index names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from builder.archive import pool as module
from builder.archive.aptroot import AptRoot
from builder.archive.pool import DebCache
from builder.archive.predict import Candidate
from builder.archive.sources import Source
from builder.errors import InfrastructureError
from builder.models import Package
from builder.run import CommandError, Completed

ROOT = AptRoot(Path("/apt"), "amd64", ())


def candidate(name: str, content: bytes, *paths: str) -> Candidate:
    digest = hashlib.sha256(content).hexdigest()
    package = Package(name, "1", "amd64", name, "1", size=len(content), sha256=digest)
    return Candidate(package, paths or (f"pool/{name}.deb",))


class Mirror:
    """Stands for `apt-get download`: the content of each package by its name."""

    def __init__(self, **content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []

    def run(self, argv: list[str], *, cwd: Path, **_more: Any) -> Completed:
        names = [word for word in argv if "=" in word]
        self.asked += names
        for name in names:
            (cwd / f"{name.replace('=', '_')}_amd64.deb").write_bytes(
                self.content[name.partition("=")[0]]
            )
        return Completed(tuple(argv), 0, "")


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = Mirror(nano=b"nano", less=b"less")
    monkeypatch.setattr(module, "run", mirror.run)
    return mirror


@pytest.fixture
def debs(tmp_path: Path) -> DebCache:
    return DebCache(tmp_path / "debs")


NANO = candidate("nano", b"nano", "pool/nano.deb", "pool/updates/nano.deb")
LESS = candidate("less", b"less")


def test_a_package_is_downloaded_once(mirror: Mirror, debs: DebCache, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = debs.fetch(ROOT, [NANO, LESS], tmp_path / "one", lambda *step: told.append(step))
    assert (first.packages, first.downloaded, first.bytes) == (2, 2, 8)
    assert told == [(0, 2), (2, 2)]
    again = debs.fetch(ROOT, [NANO, LESS], tmp_path / "two", lambda *_: None)
    assert (again.packages, again.downloaded, again.bytes) == (2, 0, 0)
    assert mirror.asked == ["nano=1", "less=1"]
    for name in ("one", "two"):
        for path in NANO.paths:
            assert (tmp_path / name / path).read_bytes() == b"nano"


def test_no_download_is_left_half_done(mirror: Mirror, debs: DebCache, tmp_path: Path) -> None:
    debs.fetch(ROOT, [NANO], tmp_path / "one", lambda *_: None)
    digest = hashlib.sha256(b"nano").hexdigest()
    files = [path for path in debs.path.rglob("*") if path.is_file()]
    assert files == [debs.path / digest[:2] / f"{digest}.deb"]
    assert mirror.asked


@pytest.mark.parametrize("damage", [b"", b"nan", b"nanO"])
def test_a_damaged_package_is_downloaded_again(
    mirror: Mirror,
    debs: DebCache,
    tmp_path: Path,
    damage: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    debs.fetch(ROOT, [NANO, LESS], tmp_path / "one", lambda *_: None)
    digest = hashlib.sha256(b"nano").hexdigest()
    (debs.path / digest[:2] / f"{digest}.deb").write_bytes(damage)
    done = debs.fetch(ROOT, [NANO, LESS], tmp_path / "two", lambda *_: None)
    assert done.downloaded == 1
    assert mirror.asked[2:] == ["nano=1"]
    assert (tmp_path / "two/pool/nano.deb").read_bytes() == b"nano"
    assert "damaged" in caplog.text


def test_a_pool_is_no_way_into_the_cache(mirror: Mirror, debs: DebCache, tmp_path: Path) -> None:
    debs.fetch(ROOT, [NANO], tmp_path / "one", lambda *_: None)
    (tmp_path / "one/pool/nano.deb").write_bytes(b"evil")
    assert debs.fetch(ROOT, [NANO], tmp_path / "two", lambda *_: None).downloaded == 0
    assert mirror.asked == ["nano=1"]


def test_a_mirror_that_gives_something_else(mirror: Mirror, debs: DebCache, tmp_path: Path) -> None:
    mirror.content["nano"] = b"evil"
    with pytest.raises(InfrastructureError, match="nano: the downloaded file is not what the sig"):
        debs.fetch(ROOT, [NANO, LESS], tmp_path / "one", lambda *_: None)
    assert not (tmp_path / "one/pool/nano.deb").exists()


def test_a_download_that_fails(
    debs: DebCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(argv: list[str], cwd: Path, **_more: Any) -> Completed:
        (cwd / "nano.deb").write_bytes(b"na")
        raise CommandError(Completed(tuple(argv), 100, "E: Failed to fetch nano.deb\n"))

    monkeypatch.setattr(module, "run", fails)
    with pytest.raises(InfrastructureError, match="could not be downloaded") as caught:
        debs.fetch(ROOT, [NANO], tmp_path / "one", lambda *_: None)
    assert "E: Failed to fetch nano.deb" in caught.value.hint
    assert list(debs.path.iterdir()) == []


def test_long_lists_are_downloaded_in_parts(
    mirror: Mirror, debs: DebCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    told: list[tuple[int, int]] = []
    debs.fetch(ROOT, [NANO, LESS], tmp_path / "one", lambda *step: told.append(step))
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert mirror.asked == ["nano=1", "less=1"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.deb", "pool/../../x.deb", "pool/.."])
def test_a_path_cannot_leave_the_pool(debs: DebCache, tmp_path: Path, path: str) -> None:
    with pytest.raises(InfrastructureError, match="leaves the archive"):
        debs.fetch(ROOT, [candidate("x", b"x", path)], tmp_path / "one", lambda *_: None)


@pytest.mark.parametrize("path", ["pool/a..b/x.deb", "pool/..x.deb", "x..deb"])
def test_dots_within_a_name_are_a_name(path: str) -> None:
    assert module._safe(path) == path


def test_inside_a_build_the_pool_comes_before_the_mirror(tmp_path: Path) -> None:
    ours = (
        Source("http://near.invalid/d", ("trixie", "trixie-updates"), ("main",), "/key"),
        Source("http://near.invalid/s", ("trixie-security",), ("main",), "/key"),
    )
    inside = module._write_mirror_lists(ours, Path("/work/pool"), tmp_path / "mirrors")
    assert [each.uri for each in inside] == [
        f"mirror+file:{tmp_path}/mirrors/main.list",
        f"mirror+file:{tmp_path}/mirrors/security.list",
    ]
    assert [each.suites for each in inside] == [each.suites for each in ours]
    assert (tmp_path / "mirrors/security.list").read_text() == (
        "file:/work/pool\tpriority:1\nhttp://near.invalid/s\tpriority:2\n"
    )


def test_indexes_get_the_names_that_the_build_looks_for(tmp_path: Path) -> None:
    ours = Source("http://near.invalid:80/d", ("trixie",), ("main",), "/key")
    theirs = Source("mirror+file:/work/main.list", ("trixie",), ("main",), "/key")
    root = AptRoot(tmp_path / "apt", "amd64", (ours,))
    root.lists.mkdir(parents=True)
    for suite in ("trixie", "trixie-updates"):
        name = f"near.invalid:80_d_dists_{suite}_InRelease"
        (root.lists / name).write_text(suite)
    module._copy_lists(root, (theirs,), tmp_path / "lists")
    copied = {path.name for path in (tmp_path / "lists").iterdir()}
    assert copied == {"partial", "_work_main.list_dists_trixie_InRelease"}
