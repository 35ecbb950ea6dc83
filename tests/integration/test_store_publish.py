# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge publish` with real keys, and what gpgv and sha256sum say about its store."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder import cli
from builder.errors import InfrastructureError
from builder.manifest import model
from builder.planning.published import IndexStore, open_store
from builder.store import keys
from builder.store.memory import Memory
from tests.integration.signing import KeyHome, key_home
from tests.unit.stores import build

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def home() -> Iterator[KeyHome]:
    with key_home() as made:
        yield made


@pytest.fixture
def key(home: KeyHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The fingerprint of a new key that publishes; what it may be read with is in TMP/keys."""
    monkeypatch.setenv("FAI_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(keys.KEY_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    fingerprint = home.make(f"{tmp_path.name}@example.org")
    (tmp_path / "keys").write_bytes(home.export(fingerprint, "--armor"))
    return fingerprint


def publish(*words: str, code: int = 0) -> None:
    assert cli.main(["publish", "--to", "store", *words]) == code


def newest(keyring: str = "keys", now: datetime = NOW) -> str:
    """The serial that a plan finds."""
    store = open_store("store", Path(keyring), Memory(Path("seen")), now, must_exist=True)
    assert isinstance(store, IndexStore)
    found = store.newest("debian-13")
    assert found is not None
    return found.serial


def test_from_a_build_to_a_reader(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path / "out", "20261121", more={"SBOM.json": b"{}"})
    publish("--key", key)
    words = capsys.readouterr()
    assert words.out == (
        f"debian-13-20261121 is published: {tmp_path}/store/debian-13/20261121,"
        " channel release, index 1\n"
    )
    assert "Uploading" in words.err
    assert newest() == "20261121"
    folder = tmp_path / "store/debian-13/20261121"
    for command in ("sha256sum", "sha512sum"):
        sums = f"{command.removesuffix('sum').upper()}SUMS"
        done = subprocess.run(
            [command, "--strict", "--check", sums], cwd=folder, check=True, capture_output=True
        )
        said = done.stdout.decode().splitlines()
        named = {line.removesuffix(": OK") for line in said}
        assert named == {each.name for each in folder.iterdir() if "SUMS" not in each.name}
        stem = "debian-13-20261121"
        ends = {".qcow2", ".manifest.json", ".fai.log.gz", ".spdx.json", ".report.html"}
        assert {"SBOM.json", "README.md", *(stem + end for end in ends)} <= named
    ring = keys.read_keyring(tmp_path / "keys")
    (tmp_path / "ring").write_bytes(ring.content)
    for signature, signed in (
        ("SHA256SUMS.gpg", "SHA256SUMS"),
        ("SHA256SUMS.asc", "SHA256SUMS"),
        ("SHA512SUMS.asc", "SHA512SUMS"),
        ("../../index.json.asc", ""),
    ):
        argv = ["gpgv", "--keyring", f"{tmp_path}/ring", *filter(None, (signature, signed))]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    assert (folder / "SHA256SUMS.gpg").read_bytes()[0] >= 0x80
    publish("--key", key, "--json", "debian-13")
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["answer"] == "unchanged"
    assert (answer["serial"], answer["index"]) == ("20261121", 1)

    # What changed since then goes beside the next one, and others learn of both.
    build(tmp_path / "out", "20261122")
    publish("--key", key)
    log = tmp_path / "store/debian-13/20261122/debian-13-20261122.changelog.json"
    changelog = json.loads(log.read_text())
    assert (changelog["fromImage"]["serial"], changelog["toImage"]["serial"]) == (
        "20261121",
        "20261122",
    )
    streams = json.loads((tmp_path / "store/streams/v1/images.json").read_text())
    (product,) = streams["products"].values()
    assert list(product["versions"]) == ["20261121", "20261122"]
    assert "20261122" in (tmp_path / "store/index.html").read_text()


def test_what_is_refused(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(keys.KEY_VARIABLE, key)
    failed = model.Verdict(name="uefi", verdict="failed")
    build(tmp_path / "out", "20261121", boots=(failed,))
    publish(code=3)
    assert "--force-unverified" in capsys.readouterr().err
    assert not (tmp_path / "store/index.json").exists()
    publish("--force-unverified", "--channel", "daily")
    assert "not verified: the boot uefi failed" in capsys.readouterr().out
    publish("--channel", "release", code=2)
    build(tmp_path / "other", "20261121", image=b"other")
    publish("other", "--channel", "daily", code=2)
    assert "with other content" in capsys.readouterr().err
    for words in (
        ["--key", "ABCDEF01"],
        ["--channel", "../x"],
        ["--valid-days", "0"],
        ["--refresh", "debian-13"],
        ["debian-12"],
    ):
        publish(*words, code=2)


def test_a_renewed_index(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path / "out", "20261121")
    publish("--key", key, "--valid-days", "1")
    late = datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(InfrastructureError, match="was valid until"):
        newest(now=late)
    capsys.readouterr()
    publish("--key", key, "--refresh", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["index"] == 2
    assert newest(now=late) == "20261121"


def test_keys_are_changed(key: str, home: KeyHome, tmp_path: Path) -> None:
    """First readers get both keys, then the store is signed with the new one."""
    build(tmp_path / "out", "20261121")
    publish("--key", key)
    new = home.make("next@example.org")
    both = tmp_path / "both"
    both.write_bytes(home.export(key) + home.export(new))
    publish("--key", new, "--refresh", code=4)
    publish("--key", new, "--keyring", "keys", "--refresh", code=4)
    assert newest("both") == "20261121"
    publish("--key", new, "--keyring", "both", "--refresh")
    assert newest("both") == "20261121"
    with pytest.raises(InfrastructureError, match="a key that is not in the keyring"):
        newest()


def test_plan_reads_a_signed_store(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path / "out", "20261121")
    publish("--key", key)
    capsys.readouterr()
    words = ["plan", "debian-13", "--store", "store", "--mirror", "http://127.0.0.1:9/debian"]
    assert cli.main(words) == 2
    assert "--keyring" in capsys.readouterr().err
    # Nobody serves that archive, so all that the answer knows is from the store.
    assert cli.main([*words, "--keyring", "keys", "--json"]) == 6
    (decision,) = json.loads(capsys.readouterr().out)["decisions"]
    assert decision["published"]["serial"] == "20261121"
    assert (tmp_path / "out/decisions/debian-13.jsonl").exists()
    assert not (tmp_path / "store/decisions").exists()
