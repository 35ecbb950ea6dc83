# SPDX-License-Identifier: GPL-2.0-or-later
"""A mirror that lies, and no mirror at all: nothing unverified is used, and nothing is left."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import pytest

from builder.archive.sources import host_mirrors
from tests.integration.harness import Forge, Running, only_root
from tests.integration.webserver import Answer, Server, Spoil, spoiling, tampered, truncated


class Mirror(Server):
    """The machine's own mirrors behind one address."""

    def __init__(self) -> None:
        super().__init__()
        mirrors = host_mirrors()
        self.behind = {"main": mirrors.main, "security": mirrors.security or mirrors.main}

    def options(self) -> tuple[str, ...]:
        """What makes a build use it."""
        return ("--mirror", f"{self.address}/main", "--security-mirror", f"{self.address}/security")

    def find(self, path: str) -> Answer:
        """What the machine's mirror says, whole."""
        which, _, rest = path.partition("/")
        try:
            with urllib.request.urlopen(f"{self.behind[which]}/{rest}") as answer:  # noqa: S310
                return Answer(HTTPStatus.OK, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code)


@pytest.fixture(scope="module")
def server() -> Iterator[Mirror]:
    with Mirror() as mirror:
        yield mirror


@dataclass(frozen=True)
class Cold:
    """A build from the lying mirror, with none of its indexes or packages in the cache."""

    forge: Forge
    mirror: Mirror

    def build(self) -> Running:
        return self.forge.build(*self.mirror.options())

    def build_spoilt(self, victim: str, spoil: Spoil) -> Running:
        with spoiling(self.mirror, victim, spoil):
            return self.build()

    @property
    def packages(self) -> list[Path]:
        """All files in the cache of .debs."""
        return [path for path in (self.forge.cache / "debs").rglob("*") if path.is_file()]


@pytest.fixture
def cold(forge: Forge, server: Mirror, tmp_path: Path) -> Cold:
    # Base file and tools tree are known by what is in them, wherever it came from.
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "rootfs").symlink_to(forge.cache / "rootfs")
    # apt reaches this machine itself, also where it has a proxy.
    return Cold(replace(forge, cache=cache, env=(("no_proxy", "127.0.0.1"),)), server)


@pytest.mark.parametrize("spoil", [truncated, tampered])
@pytest.mark.parametrize(
    ("victim", "words"),
    [("InRelease", "has no signature that its keyring knows"), ("/binary-", "is half updated")],
)
def test_spoilt_indexes(cold: Cold, victim: str, words: str, spoil: Spoil) -> None:
    running = cold.build_spoilt(victim, spoil)
    assert running.process.returncode == 4, running.text
    assert words in running.text
    assert "--mirror" in running.text
    assert "Installing with FAI" not in running.text
    assert cold.packages == []
    assert cold.forge.left() == []


@pytest.mark.parametrize("spoil", [truncated, tampered])
def test_a_spoilt_package(cold: Cold, spoil: Spoil) -> None:
    running = cold.build_spoilt("/netbase_", spoil)
    assert running.process.returncode == 4, running.text
    assert "fai-forge: packages could not be downloaded and verified\n" in running.text
    assert "netbase" in running.text
    assert "Installing with FAI" not in running.text
    assert cold.packages == []
    assert cold.forge.left() == []
    if spoil is tampered:
        # Once the mirror is as it should be, so is the build.
        running = cold.build()
        assert running.process.returncode == 0, running.text
        assert len(cold.packages) == 1
        # The manifest names the mirror's suites, the image keeps its own sources.
        assert len(cold.forge.left()) == 1


def test_no_network(forge: Forge) -> None:
    """With all indexes in the cache: those of an earlier hour are not taken for the answer."""
    only_root("take the network away")
    running = replace(forge, prefix=("unshare", "--net", "--")).build()
    assert running.process.returncode == 4, running.text
    assert " cannot be reached: " in running.text
    assert "Check the network" in running.text
    assert "Fetching packages" not in running.text
    assert forge.left() == []


def test_a_mirror_that_is_not_there(forge: Forge) -> None:
    running = forge.build("--mirror", "http://127.0.0.1:1/debian")
    assert running.process.returncode == 4, running.text
    assert "fai-forge: the archive http://127.0.0.1:1/debian cannot be reached: " in running.text
    assert forge.left() == []
