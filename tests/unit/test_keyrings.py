# SPDX-License-Identifier: GPL-2.0-or-later
"""Keyrings of distributions that the machine has no package of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.archive import aptroot, keyrings, sources
from builder.archive.aptroot import AptRoot, open_root
from builder.archive.pool import DebCache
from builder.archive.predict import Candidate
from builder.archive.sources import OWN_ARCHIVE, Source
from builder.errors import InfrastructureError
from builder.install.supplies import Archive
from builder.models import Package
from builder.paths import Cache
from builder.run import Completed

ROOT = AptRoot(Path("/apt"), "amd64", ())
NOBLE = (Source("http://own.invalid/ubuntu", ("noble",), ("main",), sources.KEYRINGS["ubuntu"][0]),)


def candidate(name: str) -> Candidate:
    return Candidate(Package(name, "1", "all", name, "1"), (f"pool/{name}.deb",))


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An archive that has Ubuntu's keyring in a package; the list gets what is fetched of it."""
    fetched: list[Any] = []
    monkeypatch.setattr(AptRoot, "refresh", lambda _self: ())
    known = (candidate("libc6"), candidate("ubuntu-keyring"))
    monkeypatch.setattr(keyrings, "predict", lambda *_a, **_k: known)
    monkeypatch.setattr(DebCache, "fetch", lambda _s, _r, found, *_m: fetched.extend(found))
    monkeypatch.setattr("builder.run.Tool.path", lambda _self: "/usr/bin/true")
    return fetched


def test_only_the_package_with_the_keyring_is_taken(
    archive: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def extract(argv: list[Any], **_more: Any) -> Completed:
        assert argv[1:] == ["--extract", tmp_path / "pool/ubuntu-keyring.deb", tmp_path]
        path = tmp_path / "usr/share/keyrings/ubuntu-archive-keyring.gpg"
        path.parent.mkdir(parents=True)
        path.touch()
        return Completed((), 0, "")

    monkeypatch.setattr(keyrings, "run", extract)
    found = keyrings.borrow("ubuntu", ROOT, DebCache(tmp_path), tmp_path)
    assert found == tmp_path / "usr/share/keyrings/ubuntu-archive-keyring.gpg"
    assert archive == [candidate("ubuntu-keyring")]


@pytest.mark.usefixtures("archive")
def test_a_package_without_the_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(keyrings, "run", lambda _argv: Completed((), 0, ""))
    with pytest.raises(InfrastructureError, match="ubuntu-keyring has no /usr/share/keyrings/"):
        keyrings.borrow("ubuntu", ROOT, DebCache(tmp_path), tmp_path)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has neither keyring, and of each distribution only its own archive."""
    for distro in ("debian", "ubuntu"):
        absent = (str(tmp_path / f"{distro}.gpg"), f"{distro}-keyring")
        monkeypatch.setitem(sources.KEYRINGS, distro, absent)
    monkeypatch.setattr(sources, "host_mirrors", lambda *_a: OWN_ARCHIVE)
    monkeypatch.setattr(sources, "default_sources", lambda *_a: NOBLE)
    monkeypatch.setattr(aptroot, "run", lambda *_a, **_k: Completed((), 0, "amd64\n"))


@pytest.mark.usefixtures("machine")
def test_ubuntus_keyring_is_borrowed_and_verifies_its_archive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "debian.gpg").touch()
    monkeypatch.setattr(keyrings, "borrow", lambda *_a: Path("/borrowed.gpg"))
    root = Archive(Cache(tmp_path)).open(NOBLE, "amd64", "ubuntu")
    written = (root.path / "etc/apt/sources.list.d/image.sources").read_text()
    assert "Signed-By: /borrowed.gpg\n" in written
    # What the image and its build are told is the place of the keyring in the image.
    assert root.sources == NOBLE
    assert open_root(tmp_path / "apt", NOBLE, "amd64").path != root.path


@pytest.mark.usefixtures("machine")
def test_debians_own_keyring_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"debian\.gpg is missing"):
        Archive(Cache(tmp_path)).open(NOBLE, "amd64", "debian")
