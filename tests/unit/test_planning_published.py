# SPDX-License-Identifier: GPL-2.0-or-later
"""A store that cannot be read is never one in which nothing is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.manifest import document
from builder.manifest.model import Manifest
from builder.planning.published import FolderStore, IndexStore, open_store
from builder.store.memory import Memory
from tests.unit import stores
from tests.unit.worlds import MAIN, NOW, manifest, source


def a_manifest(serial: str, name: str = "debian-13") -> Manifest:
    made = manifest((), NOW, (source(MAIN),))
    return made.model_copy(update={"serial": serial, "name": name})


def put(store: Path, made: Manifest, series: str = "debian-13") -> None:
    folder = store / series / made.serial
    folder.mkdir(parents=True)
    text = document.dump(made)
    (folder / f"{series}-{made.serial}.manifest.json").write_text(text)


def opened(
    place: Path | str, *, must_exist: bool, keyring: Path | None = None
) -> FolderStore | IndexStore:
    return open_store(str(place), keyring, Memory(Path("/nowhere")), NOW, must_exist=must_exist)


def test_the_newest_serial_counts(tmp_path: Path) -> None:
    store = opened(tmp_path, must_exist=True)
    assert store.newest("debian-13") is None
    for serial in ("20261101.2", "20261101.10", "20261031"):
        put(tmp_path, a_manifest(serial=serial))
    (tmp_path / "debian-13/.20261102.partial").mkdir()
    (tmp_path / "debian-13/20261103.failed").mkdir()
    found = store.newest("debian-13")
    assert found is not None
    assert found.serial == "20261101.10"
    assert store.newest("debian-12") is None
    assert store.serials("debian-13") == ("20261031", "20261101.2", "20261101.10")
    assert store.serials("debian-12") == ()


def test_a_series_without_a_finished_build(tmp_path: Path) -> None:
    (tmp_path / "debian-13").mkdir()
    assert FolderStore(tmp_path).newest("debian-13") is None


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        opened(tmp_path / "none", must_exist=True)
    assert opened(tmp_path / "none", must_exist=False).newest("debian-13") is None


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "debian-12").touch()
    with pytest.raises(InfrastructureError, match="cannot be read"):
        store.newest("debian-12")
    put(tmp_path, a_manifest(name="debian-13-slim", serial="20261101"))
    with pytest.raises(UsageError, match="is the manifest of debian-13-slim"):
        store.newest("debian-13")
    (tmp_path / "debian-13/20261102").mkdir()
    with pytest.raises(UsageError, match="cannot read the manifest"):
        store.newest("debian-13")


def signed(root: Path) -> IndexStore:
    """What a plan reads of the store of tests.unit.stores."""
    publisher = stores.publisher(root)
    return IndexStore(publisher.place, stores.Seal(), Memory(root / "reader"), stores.NOW)


def test_of_a_signed_store_the_newest_public_build_counts(tmp_path: Path) -> None:
    publisher = stores.publisher(tmp_path)
    for serial in ("20261101.10", "20261101.9", "20261102"):
        stores.put(publisher, stores.build(tmp_path / "out", serial))
    index = publisher.current()
    assert index is not None
    (entry,) = index.series
    hidden = entry.builds[-1].model_copy(update={"state": "hidden"})
    changed = entry.model_copy(update={"builds": (*entry.builds[:-1], hidden)})
    publisher.replace(index, (changed,), stores.NOW)
    # What lies there without being in the index is not published.
    stray = tmp_path / "store/debian-13/20261103"
    stores.build(tmp_path / "stray", "20261103").folder.rename(stray)
    found = signed(tmp_path).newest("debian-13")
    assert found is not None
    assert found.serial == "20261101.10"
    assert signed(tmp_path).newest("debian-14") is None
    # A hidden build has its serial for ever.
    assert signed(tmp_path).serials("debian-13") == ("20261101.9", "20261101.10", "20261102")
    assert signed(tmp_path).serials("debian-14") == ()


def test_a_signed_store_that_cannot_be_believed(tmp_path: Path) -> None:
    stores.put(stores.publisher(tmp_path), stores.build(tmp_path / "out", "20261101"))
    (path,) = (tmp_path / "store/debian-13/20261101").glob("*.manifest.json")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"trixie", b"trixia"))
    with pytest.raises(InfrastructureError, match="its digest is another"):
        signed(tmp_path).newest("debian-13")
    index = tmp_path / "store/index.json.asc"
    index.write_bytes(index.read_bytes().replace(b"trixie", b"trixia"))
    store = signed(tmp_path)
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="was changed after it was signed"):
            store.newest("debian-14")
    # Without its index it is unknown, and not a folder of builds.
    index.unlink()
    with pytest.raises(InfrastructureError, match="is gone"):
        signed(tmp_path).newest("debian-13")


@pytest.mark.parametrize("left", ["index.json", "index.json.asc"])
def test_a_signed_store_needs_a_keyring(left: str, tmp_path: Path) -> None:
    stores.put(stores.publisher(tmp_path), stores.build(tmp_path / "out", "20261101"))
    for name in {"index.json", "index.json.asc"} - {left}:
        (tmp_path / "store" / name).unlink()
    for url in (tmp_path / "store", "https://images.invalid/store"):
        with pytest.raises(UsageError, match="no keyring is given"):
            opened(url, must_exist=True)
    keyring = tmp_path / "keys"
    keyring.write_bytes(b"\x98keys")
    assert isinstance(opened(tmp_path / "out", must_exist=True, keyring=keyring), IndexStore)
    assert isinstance(opened(tmp_path / "out", must_exist=True), FolderStore)
