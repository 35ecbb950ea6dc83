# SPDX-License-Identifier: GPL-2.0-or-later
"""An image built again in place of fetched: the same file, or none and a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from builder.errors import BuildError
from builder.facility import rebuilding
from builder.facility.rebuilding import Ground, rebuild
from builder.manifest import document
from builder.run import TOOLS, Completed
from builder.store.index import Image
from tests.published import image as listed
from tests.published import manifest, package

CONTENT = b"an image"
OWN = Ground()
BUILT = {"downloadedBytes": 1234}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest, and a folder for the image."""
    monkeypatch.setenv("FAI_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(type(TOOLS["setpriv"]), "path", lambda _: "/usr/bin/setpriv")
    file = tmp_path / "debian-13-20261121.qcow2"
    file.write_bytes(CONTENT)
    text = document.dump(manifest(files=(listed(file, "qcow2"),)))
    (tmp_path / "manifest.json").write_text(text)
    file.unlink()
    (tmp_path / "incoming").mkdir()
    return tmp_path


class Builder:
    """Builds what it is told to, and remembers how it was called."""

    def __init__(self, content: bytes = CONTENT, version: str = "5.2.37-2+b5") -> None:
        self.content, self.version = content, version
        self.words: list[str] = []
        self.env: Mapping[str, str] = {}

    def __call__(self, argv: Sequence[str | Path], **more: Any) -> Completed:
        self.words, self.env = [str(word) for word in argv], more["env"]
        out = Path(self.words[self.words.index("--out") + 1])
        folder = out / "debian-13/20261121"
        folder.mkdir(parents=True)
        (folder / "debian-13-20261121.qcow2").write_bytes(self.content)
        bash = package("bash", self.version, "amd64", "bash", "5.2.37-2")
        again = manifest()
        packages = (bash, *(each for each in again.packages if each.name != "bash"))
        text = document.dump(again.model_copy(update={"packages": packages}))
        (folder / "debian-13-20261121.manifest.json").write_text(text)
        return Completed(("fai-forge",), 0, json.dumps(BUILT))


def again(site: Path, ground: Ground = OWN, content: bytes = CONTENT) -> int | None:
    wanted = Image(
        name="debian-13-20261121.qcow2",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        format="qcow2",
    )
    found = rebuild(site / "manifest.json", wanted, site / "incoming/image", ground)
    here = [path.name for path in (site / "incoming").iterdir()]
    assert here == ([] if found is None else ["image"])
    assert not list((site / "cache/work").glob("run-*"))
    return found


def test_the_same_file_is_taken(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder()
    monkeypatch.setattr(rebuilding, "run", builder)
    ground = Ground(mirror="http://mirror.example.org/{date}", overlays=("/srv/overlay",))
    assert again(site, ground) == BUILT["downloadedBytes"]
    assert (site / "incoming/image").read_bytes() == CONTENT
    words = " ".join(builder.words)
    assert "builder build debian-13 --json" in words
    assert "--serial 20261121 --format qcow2" in words
    assert "--mirror http://mirror.example.org/20261121T040000Z" in words
    assert "--overlay /srv/overlay" in words
    assert "--security-mirror" not in words
    assert builder.env["SOURCE_DATE_EPOCH"] == str(manifest().build.source_date_epoch)


def test_another_file_is_not(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rebuilding, "run", Builder(b"another", version="5.3"))
    assert again(site) is None
    assert "another file (1 packages differ, bash among them)" in caplog.text


def test_a_build_that_fails_is_no_error(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any, **__: Any) -> Completed:
        raise BuildError("a hook failed")

    monkeypatch.setattr(rebuilding, "run", fails)
    assert again(site) is None
    assert "it was not built again: a hook failed" in caplog.text


def test_what_the_manifest_does_not_vouch_for_is_not_built(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    builder = Builder()
    monkeypatch.setattr(rebuilding, "run", builder)
    assert again(site, content=b"of another manifest") is None
    assert "cannot be built again" in caplog.text
    assert builder.words == []
