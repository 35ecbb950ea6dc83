# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd's puller (behind importctl and machinectl) takes images from a build's folder.

It wants the signed SHA256SUMS beside an image, and its keyring is /etc/systemd/import-pubring.gpg:
here that is one in a mount namespace of its own. It writes to where it is told (--direct): in its
own folder of images it makes a tree immutable, which only a machine's own root may.
"""

from __future__ import annotations

import functools
import hashlib
import io
import lzma
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from builder.run import Completed, run
from builder.store import keys
from tests.integration.signing import key_home

PULLER = "/usr/lib/systemd/systemd-pull"
START = """\
mount -t tmpfs none /etc/systemd && cp "$1" /etc/systemd/import-pubring.gpg && shift && exec "$@"
"""
NAME = "debian-13-20261121"
DISK = b"a synthetic disk".ljust(1 << 20, b"\0")
PATIENCE = 120.0


@dataclass(frozen=True)
class Puller:
    """The puller, the folder that it is served from, and what it writes."""

    url: str
    served: Path
    keyring: Path
    target: Path

    def pull(self, kind: str, suffix: str) -> Completed:
        namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c", START, "sh"]
        options = ["--verify=signature", "--direct", "--sync=no"]
        url = f"{self.url}/{NAME}{suffix}"
        return run(
            [*namespace, str(self.keyring), PULLER, kind, *options, url, str(self.target)],
            env={"no_proxy": "127.0.0.1"},
            timeout=PATIENCE,
            check=False,
        )


@dataclass(frozen=True)
class Keys:
    """The store's key, and somebody else's."""

    ours: keys.Signer
    other: keys.Signer


@pytest.fixture(scope="module")
def signing() -> Iterator[Keys]:
    with key_home() as home:
        made = (home.make("store@example.org"), home.make("other@example.org"))
        yield Keys(*map(keys.signer, made))


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args: Any) -> None:
        pass


def tree() -> bytes:
    """A root file system in a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        member = tarfile.TarInfo("./etc/os-release")
        member.size = len(b"ID=debian\n")
        archive.addfile(member, io.BytesIO(b"ID=debian\n"))
    return buffer.getvalue()


@pytest.fixture
def puller(tmp_path: Path, signing: Keys) -> Iterator[Puller]:
    served, keyring = tmp_path / "served", tmp_path / "keyring"
    served.mkdir()
    for suffix, content in ((".raw.xz", lzma.compress(DISK)), (".rootfs.tar.xz", tree())):
        (served / f"{NAME}{suffix}").write_bytes(content)
    sums = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(served.iterdir())
    ).encode()
    (served / "SHA256SUMS").write_bytes(sums)
    (served / "SHA256SUMS.gpg").write_bytes(signing.ours.detached(sums, armor=False))
    keyring.write_bytes(signing.ours.keyring().content)
    handler = functools.partial(Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield Puller(
            f"http://127.0.0.1:{server.server_address[1]}", served, keyring, tmp_path / "pulled"
        )
        server.shutdown()
        thread.join()


def test_it_takes_a_disk(puller: Puller) -> None:
    done = puller.pull("raw", ".raw.xz")
    assert done.returncode == 0, done.output
    assert puller.target.read_bytes() == DISK


def test_it_takes_a_tree(puller: Puller) -> None:
    done = puller.pull("tar", ".rootfs.tar.xz")
    assert done.returncode == 0, done.output
    assert (puller.target / "etc/os-release").read_text() == "ID=debian\n"


def test_it_takes_a_signature_as_text(puller: Puller, signing: Keys) -> None:
    sums = (puller.served / "SHA256SUMS").read_bytes()
    (puller.served / "SHA256SUMS.gpg").write_bytes(signing.ours.detached(sums))
    assert puller.pull("raw", ".raw.xz").returncode == 0


def test_it_refuses_another_disk(puller: Puller) -> None:
    (puller.served / f"{NAME}.raw.xz").write_bytes(lzma.compress(DISK + b"?"))
    done = puller.pull("raw", ".raw.xz")
    assert done.returncode != 0
    assert "tampered" in done.output


def test_it_refuses_the_signature_of_another_key(puller: Puller, signing: Keys) -> None:
    sums = (puller.served / "SHA256SUMS").read_bytes()
    (puller.served / "SHA256SUMS.gpg").write_bytes(signing.other.detached(sums))
    done = puller.pull("raw", ".raw.xz")
    assert done.returncode != 0
    assert "Signature verification failed" in done.output
