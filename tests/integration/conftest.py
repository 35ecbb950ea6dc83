# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests that build: one project, one warm cache, and nothing left at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from builder.archive import aptroot, sources
from builder.paths import CACHE_VARIABLE, PROJECT_VARIABLE
from builder.store import s3client
from builder.store.ssh import KNOWN_HOSTS_VARIABLE
from tests.integration.aptarchive import SETTINGS, SMALL, Debian, Workshop, throwaway_key
from tests.integration.harness import ROOT, TINY, Account, Forge, traces, write_classes
from tests.integration.placeworlds import WORLDS, World
from tests.integration.planstory import PROJECT, Story, images_yaml
from tests.integration.remoteworld import Seal
from tests.integration.servers import Sshd, running_s3, running_sshd
from tests.integration.signing import KeyHome, key_home
from tests.integration.upstreams import Upstreams, upstreams
from tests.upstreamworld import Keys
from tests.upstreamworld_lab import Lab


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder for projects, caches and builds that every user may enter; it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="fai-forge-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        # As a plain user, what a build leaves may belong to others: the sandbox may remove it.
        command = ["rm", "-rf", str(folder)]
        if os.geteuid() != 0:
            command = ["unshare", "--map-auto", "--map-root-user", *command]
        subprocess.run(command, check=True)


@pytest.fixture(scope="session")
def tiny(home: Path) -> Path:
    """The tiny project, with the repository's own base config space."""
    project = home / "project"
    project.mkdir()
    shutil.copytree(ROOT / "fai-config", project / "fai-config")
    shutil.copytree(ROOT / "classes/AMD64", project / "classes/AMD64")
    write_classes(project, TINY)
    return project


@pytest.fixture(scope="session")
def seed(home: Path, tiny: Path) -> Forge:
    """The first build of the session: it fills the cache that all others share."""
    forge = Forge(tiny, home / "cache", home / "seed")
    running = forge.build()
    assert running.process.returncode == 0, running.text
    return forge


@pytest.fixture
def forge(seed: Forge, home: Path) -> Iterator[Forge]:
    """The tiny project with a warm cache and an empty `out`; at the end nothing is mounted."""
    out = home / f"out-{uuid.uuid4().hex[:8]}"
    out.mkdir()
    yield replace(seed, out=out)
    assert traces(home) == []


@pytest.fixture
def variant(tiny: Path, home: Path) -> Callable[[Mapping[str, str]], Path]:
    """Make a project of its own: the tiny one with some files of its classes added or replaced."""

    def make(files: Mapping[str, str]) -> Path:
        project = home / f"project-{uuid.uuid4().hex[:8]}"
        shutil.copytree(tiny, project, symlinks=True)
        write_classes(project, files)
        return project

    return make


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """A plain user with ranges of subordinate ids: ourselves, or one who exists for the tests."""
    if os.geteuid() != 0:
        yield Account(os.getuid(), os.getgid())
        return
    name = f"forge-{uuid.uuid4().hex[:8]}"
    # Not a system user: those get no subordinate ids.
    argv = ["useradd", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", name]
    subprocess.run(argv, check=True)
    try:
        ids = [
            int(subprocess.run(["id", option, name], check=True, capture_output=True).stdout)
            for option in ("-u", "-g")
        ]
        yield Account(*ids)
    finally:
        subprocess.run(["userdel", name], check=True)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The .debs of all archives that are made for tests."""
    return Workshop(tmp_path_factory.mktemp("debs"))


@pytest.fixture(scope="session")
def first_debian(tmp_path_factory: pytest.TempPathFactory, workshop: Workshop) -> Iterator[Debian]:
    """A Debian with few packages, published once; its copies go on from there."""
    with throwaway_key() as key, Debian(tmp_path_factory.mktemp("debian"), key, workshop) as debian:
        debian.put("trixie", *SMALL)
        debian.publish()
        yield debian


@pytest.fixture
def debian(tmp_path: Path, first_debian: Debian) -> Iterator[Debian]:
    """A Debian with few packages, served, and free to go its own way."""
    with first_debian.copy(tmp_path / "debian") as debian:
        yield debian


@pytest.fixture
def story(
    variant: Callable[[Mapping[str, str]], Path],
    debian: Debian,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Story]:
    """Images from that Debian; nothing is published, and nothing in the cache.

    Its key is Debian's, whatever this machine's keyring and settings of apt are.
    """
    configuration = aptroot._configuration
    monkeypatch.setattr(aptroot, "_configuration", lambda root: configuration(root) + SETTINGS)
    monkeypatch.setitem(sources.KEYRINGS, "debian", (str(debian.key.keyring), "throwaway"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    # Other tests of this process asked with the machine's keyring, and others will.
    sources.default_sources.cache_clear()
    project = variant(PROJECT)
    (project / "images.yaml").write_text(images_yaml())
    (project / "dsa.list").touch()
    (tmp_path / "store").mkdir()
    monkeypatch.setenv(PROJECT_VARIABLE, str(project))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    yield Story(debian, project, tmp_path / "store")
    sources.default_sources.cache_clear()


@pytest.fixture(scope="session")
def sshd(home: Path) -> Iterator[Sshd]:
    """One sshd for all tests of the session."""
    with running_sshd(home / "sshd") as running:
        yield running


@pytest.fixture
def client(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """Be a client that knows the server; at the end no connection is left."""
    monkeypatch.setenv("HOME", str(sshd.home))
    monkeypatch.setenv(KNOWN_HOSTS_VARIABLE, str(sshd.known_hosts))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield sshd
    sshd.cut()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """One S3 server for all tests of the session."""
    with running_s3() as url:
        yield url


@pytest.fixture
def bucket(s3_server: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket on our own server, which AWS's variables lead to."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    variables = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(home / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    s3client.connect().create_bucket(Bucket=name)
    return name


@pytest.fixture(params=list(WORLDS))
def world(request: pytest.FixtureRequest) -> World:
    """A new place of each kind."""
    return WORLDS[request.param](request)


@pytest.fixture(scope="module")
def gpg_home() -> Iterator[KeyHome]:
    """A folder of gpg's, for keys that a module makes."""
    with key_home() as found:
        yield found


@pytest.fixture(scope="module")
def seals(gpg_home: KeyHome, tmp_path_factory: pytest.TempPathFactory) -> tuple[Seal, Seal]:
    """The key of an upstream, and one of somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    return Seal.make(gpg_home, folder, "theirs"), Seal.make(gpg_home, folder, "stranger")


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstreams]:
    """Servers of upstreams, with nothing on them."""
    with upstreams(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture(scope="module")
def keys(gpg_home: KeyHome) -> Keys:
    """The keys of all upstreams of the world."""
    return Keys(gpg_home)


@pytest.fixture
def lab(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Lab]:
    """The servers of one upstream, as they are in the world of all."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return lambda source: Lab.make(source, tmp_path / source, keys)
