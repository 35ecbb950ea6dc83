# SPDX-License-Identifier: GPL-2.0-or-later
"""Incus's own programs read a store: its checker of trees, and its client over https.

They are taken out of Debian 12's backports, into a folder of the test; nothing is installed.
"""

from __future__ import annotations

import functools
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.run import Completed, run
from builder.store import keys, simplestreams
from builder.store.index import Build
from tests import published
from tests.integration.extracted import extract
from tests.integration.signing import key_home

SUITE = "bookworm-backports"
PACKAGES = ("incus-client", "incus-extra")
NEWEST = "20261121.10"
SERIALS = ("20261121", "20261121.9", NEWEST)
# No answer of a server on this machine takes longer.
PATIENCE = 120.0


@pytest.fixture(scope="session")
def programs(home: Path) -> Path:
    """The folder that has `incus` and `incus-simplestreams`."""
    return extract(home / "incus", PACKAGES, SUITE) / "usr/bin"


@pytest.fixture
def builds(tmp_path: Path) -> tuple[Build, ...]:
    released = [published.publish(tmp_path / "store", serial) for serial in SERIALS]
    return (*released, published.publish(tmp_path / "store", "20261121.11", "daily"))


@pytest.fixture
def store(tmp_path: Path, builds: tuple[Build, ...]) -> Path:
    """A store with three released builds and a daily one."""
    folder = tmp_path / "store"
    for path, content in simplestreams.streams(published.index(published.series(*builds))):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def verify(programs: Path, store: Path) -> Completed:
    checker = programs / "incus-simplestreams"
    return run([checker, "verify"], cwd=store, timeout=PATIENCE, check=False)


def test_the_checker_accepts_the_tree(programs: Path, store: Path) -> None:
    assert verify(programs, store).returncode == 0


@pytest.mark.parametrize("suffix", [".qcow2", ".rootfs.tar.xz", ".incus.tar.xz"])
def test_the_checker_sees_one_changed_byte(programs: Path, store: Path, suffix: str) -> None:
    file = store / f"debian-13/20261121/debian-13-20261121{suffix}"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    done = verify(programs, store)
    assert done.returncode == 1
    assert file.name in done.output
    assert "different SHA256" in done.output


def test_the_checker_sees_a_missing_file(programs: Path, store: Path) -> None:
    (store / "debian-13/daily/20261121.11/debian-13-20261121.11.qcow2").unlink()
    assert verify(programs, store).returncode == 1


@dataclass(frozen=True)
class Client:
    """The incus client, with a configuration of its own in which `store` is a remote."""

    program: Path
    home: Path
    authority: Path

    def run(self, *arguments: str, check: bool = True) -> Completed:
        env = {
            "HOME": str(self.home),
            "INCUS_CONF": str(self.home / "incus"),
            "SSL_CERT_FILE": str(self.authority),
            # Whatever the machine's proxy is, loopback is not behind it.
            "no_proxy": "127.0.0.1",
        }
        command: list[str | Path] = [self.program, *arguments]
        return run(command, env=env, timeout=PATIENCE, capture=True, check=check)

    def images(self) -> list[dict[str, Any]]:
        """What it lists."""
        found: list[dict[str, Any]] = yaml.safe_load(
            self.run("image", "list", "store:", "--format", "yaml").output
        )
        return found


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args: Any) -> None:
        pass


def authority(folder: Path) -> Path:
    """A throwaway certificate for 127.0.0.1, which is its own authority; the key beside it."""
    path = folder / "ca.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
    name = ["-subj", "/CN=throwaway", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "ca.key"), "-out", str(path)]
    run(["openssl", "req", "-x509", *kind, *name, *files])
    return path


@pytest.fixture
def client(programs: Path, store: Path, tmp_path: Path) -> Iterator[Client]:
    """The client of a server of the store."""
    certificate = authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "ca.key")
    handler = functools.partial(Quiet, directory=str(store))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        (tmp_path / "home").mkdir()
        one = Client(programs / "incus", tmp_path / "home", certificate)
        url = f"https://127.0.0.1:{server.server_address[1]}"
        one.run("remote", "add", "store", url, "--protocol", "simplestreams")
        yield one
        server.shutdown()
        thread.join()


def test_the_client_lists_every_image(client: Client, builds: tuple[Build, ...]) -> None:
    listed = {image["fingerprint"]: image for image in client.images()}
    assert set(listed) == {image.fingerprint for build in builds for image in build.images}
    kinds = sorted(image["type"] for image in listed.values())
    assert kinds == ["container"] * 4 + ["virtual-machine"] * 4


def test_an_alias_means_the_newest_build(client: Client, builds: tuple[Build, ...]) -> None:
    disks = {build.serial: build.images[0].fingerprint for build in builds}
    named = {
        alias["name"]: image["fingerprint"]
        for image in client.images()
        if image["type"] == "virtual-machine"
        for alias in image["aliases"]
    }
    assert named["debian-13"] == named["debian/13"] == named["debian/trixie"] == disks[NEWEST]
    assert named["debian-13/daily"] == disks["20261121.11"]


def test_what_an_image_is_said_to_be(client: Client) -> None:
    (image,) = (
        image
        for image in client.images()
        if image["type"] == "virtual-machine" and image["properties"]["label"] == "daily"
    )
    assert image["architecture"] == "x86_64"
    assert str(image["expires_at"]).startswith("20")
    assert image["properties"] == {
        "os": "Debian",
        "release": "trixie",
        "version": "13",
        "variant": "default",
        "architecture": "amd64",
        "label": "daily",
        "serial": "20261121.0011",
        "type": "disk-kvm.img",
        "description": "Debian 13 (trixie) amd64 (daily) (20261121.0011)",
    }


@pytest.mark.parametrize(
    ("option", "suffix"), [("--vm", ".qcow2"), (None, ".rootfs.tar.xz")], ids=["vm", "container"]
)
def test_the_client_downloads_an_image(
    client: Client, store: Path, tmp_path: Path, option: str | None, suffix: str
) -> None:
    target = tmp_path / "downloads"
    target.mkdir()
    options = [option] if option else []
    client.run("image", "export", "store:debian/13", str(target), *options)
    origin = store / f"debian-13/{NEWEST}"
    names = {f"debian-13-{NEWEST}{each}" for each in (suffix, ".incus.tar.xz")}
    assert {path.name for path in target.iterdir()} == names
    for name in names:
        assert (target / name).read_bytes() == (origin / name).read_bytes()


def test_the_client_refuses_another_image(client: Client, store: Path, tmp_path: Path) -> None:
    file = store / f"debian-13/{NEWEST}/debian-13-{NEWEST}.qcow2"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    (tmp_path / "downloads").mkdir()
    done = client.run(
        "image", "export", "store:debian/13", str(tmp_path / "downloads"), "--vm", check=False
    )
    assert done.returncode != 0


def test_signed_streams_verify(builds: tuple[Build, ...]) -> None:
    index = published.index(published.series(*builds))
    with key_home() as home:
        signer = keys.signer(home.make("store@example.org"))
        files = dict(simplestreams.streams(index, signer.clearsigned))
        opened = {
            path: signer.keyring().opened(content, path)
            for path, content in files.items()
            if path.endswith(".sjson")
        }
    assert opened["streams/v1/images.sjson"] == files["streams/v1/images.json"]
    stream = json.loads(opened["streams/v1/index.sjson"])
    assert stream["index"]["images"]["path"] in opened
