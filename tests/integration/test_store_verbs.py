# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge expire` and `fai-forge promote` on a store that is signed with a real key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder import cli, paths
from builder.manifest import document, model
from builder.progress import NoProgress
from builder.store import keys, reading
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.index import StoreIndex
from builder.store.memory import Memory
from builder.store.publishing import publish
from builder.store.writing import Publisher
from tests.integration.signing import key_home
from tests.unit.stores import build

COMMIT = "a" * 40
DAYS = (70, 20, 1)


@pytest.fixture
def key() -> Iterator[str]:
    with key_home() as home:
        yield home.make("publisher@example.org")


@pytest.fixture
def store(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three daily builds, and its public key beside it."""
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    signer, root = keys.Signer(key), tmp_path / "store"
    trusted = signer.keyring()
    (tmp_path / "keyring").write_bytes(trusted.content)
    publisher = Publisher(FolderPlace(root), signer, trusted, Memory(paths.cache().stores))
    now = datetime.now(UTC).replace(microsecond=0)
    for days in DAYS:
        day = now - timedelta(days=days)
        built = build(tmp_path / "out", f"{day:%Y%m%d}", image=f"{days}".encode())
        made = document.load(built.manifest)
        commits = (model.SourceCommit(overlay="base", commit=COMMIT, dirty=False),)
        how = made.build.model_copy(update={"commits": commits})
        built.manifest.write_text(document.dump(made.model_copy(update={"build": how})))
        publish(publisher, gather(built), "daily", day, NoProgress())
    return root


def index(store: Path) -> StoreIndex:
    trusted = keys.read_keyring(store.parent / "keyring")
    memory = Memory(store.parent / "other-memory")
    return reading.read(FolderPlace(store), trusted, memory, datetime.now(UTC))


def test_a_reader_looks_and_the_publisher_does(
    store: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = index(store).series[0].builds[0].serial
    file = store.parent / "tags.yaml"
    file.write_text(
        f"images:\n- {{name: debian-13, src_build_tag: {first}, src_ref: {COMMIT}, tag: rc1}}\n"
    )
    looking = ["--store", str(store), "--keyring", str(store.parent / "keyring"), "--dry-run"]
    doing = ["--store", str(store), "--key", key]
    before = index(store)
    assert cli.main(["promote", str(file), *looking]) == 0
    assert cli.main(["expire", *looking]) == 0
    assert "would be kept: 1, hidden: 1, removed: 1" in capsys.readouterr().out
    assert index(store) == before

    assert cli.main(["promote", str(file), *doing]) == 0
    assert cli.main(["expire", *doing]) == 0
    assert "\nkept: 2, hidden: 1, removed: 0" in capsys.readouterr().out
    tagged, hidden, newest = index(store).series[0].builds
    assert [tag.tag for tag in tagged.tags] == ["rc1"]
    assert [each.state for each in (tagged, hidden, newest)] == ["public", "hidden", "public"]


def test_an_index_of_another_key_changes_nothing(
    store: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store / "index.json.asc"
    path.write_bytes(path.read_bytes().replace(b'"public"', b'"hidden"', 1))
    assert cli.main(["expire", "--store", str(store), "--key", key]) == 4
    assert "was changed after it was signed" in capsys.readouterr().err
    assert len(list(store.glob("*/daily/*/*.qcow2"))) == len(DAYS)
