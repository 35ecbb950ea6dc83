# SPDX-License-Identifier: GPL-2.0-or-later
"""Private apt roots: their names, their configuration, and what they say of their indexes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builder.archive import aptroot
from builder.archive.aptroot import list_prefix, open_root
from builder.archive.sources import Source
from builder.errors import InfrastructureError
from builder.run import CommandError, Completed

SOURCES = (Source("http://near.invalid:3128/debian", ("trixie",), ("main",), "/key.gpg"),)
RELEASE = "Origin: Debian\nLabel: Debian-Security\nDate: Fri, 20 Nov 2026 03:00:00 UTC\n"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose apt has a proxy and an empty option."""
    dumped = 'Acquire::http "";\nAcquire::http::Proxy "http://proxy.invalid:3142";\n'
    monkeypatch.setattr(aptroot, "run", lambda *_a, **_k: Completed((), 0, dumped))


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        # Each as `apt-get update --print-uris` says it.
        ("http://a.invalid/debian/", "a.invalid_debian"),
        ("http://a.invalid", "a.invalid"),
        ("http://a.invalid:3128/deb_ian/a~b", "a.invalid:3128_deb%5fian_a%7eb"),
        ("https://user:word@a.invalid/x", "a.invalid_x"),
        ("http://[::1]:8080/debian", "::1:8080_debian"),
        ("http://a.invalid/a%20b/x", "a.invalid_a%2520b_x"),
        ("http://a.invalid/\u00fc", "a.invalid_%c3%bc"),
        ("http://a.invalid//debian//x", "a.invalid__debian__x"),
        ("mirror+file:/run/x/main.list", "_run_x_main.list"),
    ],
)
def test_names_of_indexes(uri: str, prefix: str) -> None:
    assert list_prefix(uri) == prefix


def test_a_root_is_shared_by_what_it_is_for(tmp_path: Path) -> None:
    one = open_root(tmp_path, SOURCES, "amd64")
    (one.lists / "kept").touch()
    assert open_root(tmp_path, SOURCES, "amd64") == one
    assert (one.lists / "kept").exists()
    other = Source("http://far.invalid/debian", ("trixie",), ("main",), "/key.gpg")
    paths = {one.path, open_root(tmp_path, SOURCES, "arm64").path}
    paths.add(open_root(tmp_path, (other,), "amd64").path)
    assert len(paths) == 3


def test_a_root_is_apart_from_the_machine(tmp_path: Path) -> None:
    root = open_root(tmp_path, SOURCES, "arm64")
    conf = (root.path / "apt.conf").read_text().splitlines()
    assert f'Dir "{root.path}";' in conf
    assert f'Dir::State::status "{root.path}/var/lib/dpkg/status";' in conf
    assert 'APT::Architecture "arm64";' in conf
    assert 'APT::Architectures { "arm64"; };' in conf
    assert (root.path / "var/lib/dpkg/status").read_text() == ""
    # The way to the mirror is the machine's.
    assert 'Acquire::http::Proxy "http://proxy.invalid:3142";' in conf
    assert 'Acquire::http "";' not in conf
    assert root.environment == {"APT_CONFIG": str(root.path / "apt.conf")}


def test_what_the_indexes_are(tmp_path: Path) -> None:
    root = open_root(tmp_path, SOURCES, "amd64")
    (root.lists / "near.invalid:3128_debian_dists_trixie_InRelease").write_text(RELEASE)
    (release,) = root.releases()
    assert (release.origin, release.label) == ("Debian", "Debian-Security")
    assert release.date == datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert release.digest == hashlib.sha256(RELEASE.encode()).hexdigest()
    assert (release.uri, release.suite) == ("http://near.invalid:3128/debian", "trixie")


def test_an_archive_without_a_signed_release_file_is_no_answer(tmp_path: Path) -> None:
    root = open_root(tmp_path, SOURCES, "amd64")
    with pytest.raises(InfrastructureError, match="no signed release file of trixie"):
        root.releases()


def test_a_failed_refresh_is_the_mirrors_fault_and_quotes_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = open_root(tmp_path, SOURCES, "amd64")
    (root.lists / "near.invalid:3128_debian_dists_trixie_InRelease").write_text(RELEASE)

    def fails(argv: list[str], **_more: Any) -> Completed:
        raise CommandError(Completed(tuple(argv), 100, "E: The repository is not signed.\n"))

    monkeypatch.setattr(aptroot, "run", fails)
    # The indexes of an earlier day are there, and are not taken for the answer.
    with pytest.raises(InfrastructureError, match="could not be fetched and verified") as caught:
        root.refresh()
    assert "E: The repository is not signed." in caught.value.hint
    assert "--mirror" in caught.value.hint
