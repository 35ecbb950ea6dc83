# SPDX-License-Identifier: GPL-2.0-or-later
"""A real registry on the loopback, Debian's docker-registry, and images made by hand for it."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"
CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: false}}, level: info}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""
PATIENCE = 60.0


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class RealRegistry:
    """A registry at `host`; `log` is what it writes, one line for each request among it."""

    host: str
    log: Path
    login: tuple[str, str] | None = None

    def ask(
        self, method: str, path: str, content: bytes = b"", kind: str = "application/octet-stream"
    ) -> requests.Response:
        url = path if path.startswith("http") else f"http://{self.host}/v2/{path}"
        answer = requests.request(
            method,
            url,
            data=content,
            headers={"Content-Type": kind, "Accept": kind},
            auth=self.login,
            timeout=30,
        )
        answer.raise_for_status()
        return answer

    def push_blob(self, name: str, content: bytes) -> dict[str, object]:
        place = self.ask("POST", f"{name}/blobs/uploads/").headers["Location"]
        self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest(content)}", content)
        return {"digest": digest(content), "size": len(content)}

    def push_image(self, name: str, tag: str, text: str, *, docker: bool = False) -> bytes:
        """An image of one layer with that text; `tag` may be empty. Returns the manifest."""
        kinds = (
            (
                f"{DOCKER}.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            )
            if docker
            else (f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json", f"{OCI}.layer.v1.tar")
        )
        config = {"mediaType": kinds[1], **self.push_blob(name, b"{}")}
        layer = {"mediaType": kinds[2], **self.push_blob(name, text.encode())}
        # Spaces that no encoder would write again: the bytes must be carried, not the meaning.
        body = {"schemaVersion": 2, "mediaType": kinds[0], "config": config, "layers": [layer]}
        manifest = json.dumps(body, indent=7).encode() + b"\n\n"
        self.ask("PUT", f"{name}/manifests/{tag or digest(manifest)}", manifest, kinds[0])
        return manifest

    def push_index(self, name: str, tag: str, *texts: str, docker: bool = False) -> bytes:
        """A multi-arch index of images; returns its document."""
        kind = f"{DOCKER}.list.v2+json" if docker else f"{OCI}.index.v1+json"
        part = f"{DOCKER}.v2+json" if docker else f"{OCI}.manifest.v1+json"
        images = [self.push_image(name, "", text, docker=docker) for text in texts]
        entries = [
            {
                "mediaType": part,
                "digest": digest(image),
                "size": len(image),
                "platform": {"os": "linux", "architecture": arch},
            }
            for image, arch in zip(images, ("amd64", "arm64"), strict=True)
        ]
        body = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
        document = json.dumps(body, indent=5).encode()
        self.ask("PUT", f"{name}/manifests/{tag}", document, kind)
        return document

    def asked(self) -> list[str]:
        """The requests so far, each as METHOD PATH."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [" ".join(line.split('"')[1].split()[:2]) for line in lines if ' "' in line]


@contextmanager
def serving(program: Path, folder: Path, auth: str = "") -> Iterator[RealRegistry]:
    """Run a registry with its files in a folder; `auth` is what its configuration says about it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config, log = folder / "config.yml", folder / "log"
    config.write_text(CONFIG.format(root=folder / "data", port=port, auth=auth))
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [program, "serve", config],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={"PATH": "/usr/bin:/bin"},
        )
    try:
        _wait(process, port, log)
        yield RealRegistry(f"127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"docker-registry does not start: {log.read_text()}")
