# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of a README.md, run as they stand there, by somebody who has only the key."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.store import beside, keys, readme
from tests import published
from tests.integration.signing import key_home

BUILD = "debian-13-20261121"


@dataclass(frozen=True)
class Download:
    """A folder with a build, and the fingerprint that signed it."""

    folder: Path
    fingerprint: str

    def verify(self) -> subprocess.CompletedProcess[str]:
        """Run what the section Verify says, up to the commands that need an address."""
        whole = (self.folder / readme.NAME).read_text()
        verify = whole.partition("\n## Verify\n")[2].partition("\n## ")[0]
        lines = [line.strip() for line in verify.splitlines() if line.startswith("    ")]
        commands = [line for line in lines if not line.startswith("importctl")]
        assert [line.split()[0] for line in commands] == ["gpg", "gpgv", "sha256sum"]
        script = "\n".join(commands).replace("FINGERPRINT", self.fingerprint)
        return subprocess.run(
            ["sh", "-ec", script], cwd=self.folder, capture_output=True, text=True, check=False
        )


@pytest.fixture
def download(tmp_path: Path) -> Iterator[Download]:
    image = tmp_path / f"{BUILD}.qcow2"
    image.write_bytes(b"a synthetic disk")
    manifest = published.manifest(files=(published.image(image, "qcow2"),))
    for name, content in beside.beside(manifest, tmp_path):
        (tmp_path / name).write_bytes(content)
    sums = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(tmp_path.iterdir())
    ).encode()
    with key_home() as home:
        signer = keys.signer(home.make("store@example.org"))
        (tmp_path / "SHA256SUMS").write_bytes(sums)
        (tmp_path / "SHA256SUMS.gpg").write_bytes(signer.detached(sums, armor=False))
        yield Download(tmp_path, signer.fingerprint)


def test_a_build_verifies(download: Download) -> None:
    done = download.verify()
    assert done.returncode == 0, done.stderr
    assert "Good signature" in done.stderr
    assert f"{BUILD}.qcow2: OK" in done.stdout.splitlines()


def test_the_image_alone_verifies(download: Download) -> None:
    for path in download.folder.iterdir():
        if path.suffix in (".json", ".xz"):
            path.unlink()
    assert download.verify().returncode == 0


def test_a_changed_image_does_not(download: Download) -> None:
    (download.folder / f"{BUILD}.qcow2").write_bytes(b"a synthetic dusk")
    done = download.verify()
    assert done.returncode != 0
    assert f"{BUILD}.qcow2: FAILED" in done.stdout.splitlines()


def test_changed_sums_do_not(download: Download) -> None:
    sums = download.folder / "SHA256SUMS"
    sums.write_text(sums.read_text().upper())
    done = download.verify()
    assert done.returncode != 0
    assert "BAD signature" in done.stderr
