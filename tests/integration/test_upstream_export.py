# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge upstream export` on a store that is signed with a real key."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
import yamale

from builder import paths
from builder.cli import upstream_export
from builder.errors import InfrastructureError, UsageError
from builder.manifest import document
from builder.manifest.imported import Imported, Origin
from builder.progress import NoProgress
from builder.store import keys
from builder.store.folder import FolderPlace
from builder.store.gathering import gather
from builder.store.memory import Memory
from builder.store.publishing import publish
from builder.store.writing import Publisher
from tests.integration.signing import KeyHome, key_home
from tests.unit.stores import build

SCHEMA = Path(__file__).parents[1] / "recorded" / "osism" / "schema.yaml"
SCS = {"os_distro": "debian", "os_version": "13", "image_original_user": "debian"}


@pytest.fixture
def home() -> Iterator[KeyHome]:
    with key_home() as found:
        yield found


@pytest.fixture
def store(tmp_path: Path, home: KeyHome, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a build of ours, and an image that others built."""
    key = home.make("publisher@example.org")
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    signer, root = keys.Signer(key), tmp_path / "store"
    trusted = signer.keyring()
    (tmp_path / "keyring").write_bytes(trusted.content)
    publisher = Publisher(FolderPlace(root), signer, trusted, Memory(paths.cache().stores))
    now = datetime.now(UTC).replace(microsecond=0)
    ours = build(tmp_path / "out", "20261101", image=b"ours")
    publish(publisher, gather(ours), "release", now, NoProgress())
    theirs = build(tmp_path / "out", "20261102", name="debian-13-genericcloud", image=b"theirs")
    made = document.load(theirs.manifest)
    others = Imported(
        name=made.name,
        serial=made.serial,
        title=made.title,
        distro="debian",
        release="13",
        arch="amd64",
        roles=("genericcloud",),
        origin=Origin(url="https://images.invalid/x.qcow2", retrieved=now, vouched="nobody"),
        properties=SCS,
        files=made.files,
    )
    theirs.manifest.write_text(document.dump(others))
    publish(publisher, gather(theirs), "upstream", now, NoProgress(), unverified=True)
    return root


def export(store: Path, *words: str, keyring: str = "keyring") -> int:
    parser = argparse.ArgumentParser()
    upstream_export.VERB.arguments(parser)
    given = [*words, "--store", str(store), "--keyring", str(store.parent / keyring)]
    return upstream_export.VERB.call(parser.parse_args(given))


def test_images_of_the_catalogue_are_those_of_the_store(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(store) == 0
    text = capsys.readouterr().out
    data = yamale.make_data(content=text)
    yamale.validate(yamale.make_schema(SCHEMA), data)
    images = data[0][0]["images"]
    assert [each["name"] for each in images] == ["debian-13", "debian-13-genericcloud"]
    for image, content in zip(images, (b"ours", b"theirs"), strict=True):
        (version,) = image["versions"]
        file = Path(url2pathname(urlsplit(version["url"]).path))
        assert file.read_bytes() == content
        assert version["checksum"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_it_is_written_whole_to_a_file_with_the_address_that_others_use(
    store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fai-forge.yml"
    url = "https://images.example.org"
    assert export(store, "debian-13-*", "--url", url, "--out", str(out)) == 0
    assert f"url: {url}/debian-13-genericcloud/upstream/20261102/" in out.read_text()
    assert sorted(path.name for path in tmp_path.glob("*fai-forge*")) == [out.name]


def test_a_name_that_is_not_there_is_an_error(store: Path) -> None:
    with pytest.raises(UsageError, match=r"has no ubuntu-\*"):
        export(store, "debian-13", "ubuntu-*")


def test_nothing_to_list_is_an_error(store: Path) -> None:
    with pytest.raises(UsageError, match="nothing to list"):
        export(store, "--channel", "daily")


def test_a_store_of_another_key_is_not_believed(store: Path, home: KeyHome) -> None:
    other = home.make("somebody@example.org")
    (store.parent / "other").write_bytes(home.export(other))
    with pytest.raises(InfrastructureError):
        export(store, keyring="other")
