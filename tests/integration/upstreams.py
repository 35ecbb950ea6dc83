# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstreams' servers on this machine: each https://HOST/PATH is /HOST/PATH of one small server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from builder import paths
from builder.upstream import catalogue, finding
from builder.upstream.asking import Asking
from builder.upstream.finding import Found
from builder.upstream.series import Series
from tests.integration.apiserver import Answer, Api, Reply, running, serve
from tests.integration.remoteworld import Seal

RECORDED: Final = Path(__file__).parents[1] / "recorded"
SOURCES: Final = Path(__file__).parents[2] / "upstreams"
# The day on which the newest releases are asked for.
TODAY: Final = date(2026, 11, 20)
# Where the packages put the keys that were recorded.
PACKAGED: Final = {
    "keyrings/ubuntu-cloudimage-keyring.gpg": "ubuntu-cloudimage-keyring.gpg",
    "distribution-gpg-keys/opensuse/RPM-GPG-KEY-openSUSE-2022": "RPM-GPG-KEY-openSUSE-2022",
    "distribution-gpg-keys/opensuse/RPM-GPG-KEY-openSUSE-Tumbleweed": (
        "RPM-GPG-KEY-openSUSE-Tumbleweed"
    ),
}


def recorded(path: str) -> bytes:
    return (RECORDED / path).read_bytes()


@dataclass(frozen=True)
class Upstreams:
    """The servers, and the YAML files that are read of them, in a folder."""

    server: Api
    folder: Path
    known: dict[str, Path] = field(default_factory=dict)

    def put(self, url: str, content: bytes | str | Answer | Reply) -> None:
        """Let a URL answer with that."""
        if isinstance(content, str):
            content = content.encode()
        answer = serve(content) if isinstance(content, bytes) else content
        self.server.routes[f"/{url.removeprefix('https://')}"] = answer

    def page(self, url: str, *names: str) -> None:
        """Let a folder be listed, as nginx does it."""
        lines = "".join(f'<a href="{name}">{name}</a>  01-Jun-2026 12:30  7\n' for name in names)
        head = '<html><h1>Index of /</h1><pre><a href="../">../</a>\n'
        self.put(url, f"{head}{lines}</pre></html>")

    def table(self, url: str, files: Mapping[str, int]) -> None:
        """Let a folder be listed, as openSUSE's servers do it: names, and epoch seconds."""
        rows = [{"name": name, "size": 7, "mtime": at} for name, at in files.items()]
        self.put(f"{url}?jsontable", json.dumps({"data": rows}))

    def signed(self, url: str, content: bytes | str, seal: Seal, suffix: str = ".asc") -> None:
        """Let a URL answer, with a detached signature beside it."""
        content = content.encode() if isinstance(content, str) else content
        self.put(url, content)
        self.put(f"{url}{suffix}", seal.signer.detached(content))

    def use(self, source: str, seal: Seal | None = None, **changes: Any) -> None:
        """Read a file of ours; with a seal, it is signed by that instead of its makers' keys.

        `changes` are other values of its fields; None takes one out.
        """
        folder = self.folder / "upstreams"
        for place, name in PACKAGED.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(RECORDED / "signed/keys" / name, folder / place)
        content = yaml.safe_load((SOURCES / f"{source}.yaml").read_text("utf-8")) | changes
        content = {key: value for key, value in content.items() if value is not None}
        if seal is not None:
            shutil.copy(seal.keyring, folder / seal.keyring.name)
            theirs = {"keyring": seal.keyring.name, "keys": [seal.signer.fingerprint]}
            kept = {
                key: content["signature"][key]
                for key in ("over", "file")
                if key in content["signature"]
            }
            content["signature"] = kept | theirs
        self.known[source] = folder / f"{source}.yaml"
        self.known[source].write_text(yaml.safe_dump(content), encoding="utf-8")

    def asking(self, **more: Any) -> Asking:
        instead = {"https://": f"{self.server.url}/"}
        return Asking(instead=instead, kept=self.folder / "kept", **more)

    def series(self, source: str, **more: Any) -> dict[str, Series]:
        """The images of a source, by name."""
        found = catalogue.read_file(self.known[source]).series(self.asking(**more), TODAY)
        return {each.name: each for each in found}

    def newest(self, source: str, name: str, **more: Any) -> Found:
        """The newest version of an image."""
        return finding.newest(self.series(source, **more)[name], self.asking(**more))


@contextmanager
def upstreams(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    """Servers until the end of the block, with caches of their own."""
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(folder / "cache"))
    with running() as server:
        yield Upstreams(server, folder)


def told(found: Found) -> tuple[str, str, str]:
    """The URL, the digest, and our serial of what was found."""
    (image,) = found.offer.images
    return image.url, f"{image.algorithm}:{image.digest}", found.offer.serial


def lines(content: bytes) -> dict[str, str]:
    """The digests in a list by name, read by the simplest of means."""
    found = {}
    for line in content.decode().splitlines():
        if line.startswith("SHA256 ("):
            name, _, digest = line.removeprefix("SHA256 (").partition(") = ")
            found[name] = digest
        elif line and not line.startswith("#"):
            digest, _, name = line.partition("  ")
            found[name] = digest
    return found


def is_signed_by(found: Found, seal: Seal) -> bool:
    return found.offer.vouched.endswith(f"signed by {seal.signer.fingerprint}")
