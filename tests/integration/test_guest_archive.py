# SPDX-License-Identifier: GPL-2.0-or-later
"""The archive that guests update from, read by the apt of this machine in a root of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from builder.guest.archive import FOLDER, OWN, STRANGER, LocalArchive, local_archive
from builder.guest.filesystem import Ext4State, ext4_state, superblock_at
from builder.guest.loopback import GATEWAY, LOOPBACK
from builder.guest.probe import NAME
from builder.run import Completed, run
from tests.integration.aptarchive import ARCH, Deb, Workshop

KERNEL = Deb("linux-image-6.12-amd64", "6.12-1")
NEWEST = Deb("linux-image-amd64", "6.12-1", depends="linux-image-6.12-amd64 (= 6.12-1), libc6")
# Days would do; a partition that starts somewhere on a disk.
START = 1 << 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[LocalArchive]:
    workshop = Workshop(tmp_path / "debs")
    debs = [workshop.file(KERNEL), workshop.file(NEWEST)]
    (tmp_path / "served").mkdir()
    with local_archive(tmp_path / "served", ARCH, debs) as archive:
        yield archive


def apt(archive: LocalArchive, root: Path, key: str, *words: str, check: bool = True) -> Completed:
    """Run apt below `root`, with the settings that a guest is given."""
    for path, content in archive.files().items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        text = content.replace(GATEWAY.encode(), LOOPBACK.encode()).replace(
            FOLDER.encode(), f"{root}{FOLDER}".encode()
        )
        place.write_bytes(content if path.endswith(".pgp") else text)
    for folder in ("state", "cache", "etc/apt"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "state/status").touch()
    options = {
        "Dir::State": f"{root}/state",
        "Dir::State::status": f"{root}/state/status",
        "Dir::Cache": f"{root}/cache",
        "Dir::Etc::Parts": "/dev/null",
        "Dir::Etc::Main": "/dev/null",
        "Dir::Etc::Trusted": "/dev/null",
        "Dir::Etc::TrustedParts": "/dev/null",
        "APT::Architecture": ARCH,
        "APT::Sandbox::User": "",
        f"Acquire::http::Proxy::{LOOPBACK}": "DIRECT",
    }
    program, *rest = words
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    env = {"APT_CONFIG": f"{root}{FOLDER}/{key}.conf"}
    return run([program, *given, *rest], env=env, check=check, capture=program != "apt-get")


def test_it_is_believed_by_its_own_key_alone(served: LocalArchive, tmp_path: Path) -> None:
    refused = apt(served, tmp_path, STRANGER, "apt-get", "update", check=False)
    assert refused.returncode != 0
    assert "is not signed" in refused.output
    assert NAME not in apt(served, tmp_path, STRANGER, "apt-cache", "pkgnames").output
    told = apt(served, tmp_path, OWN, "apt-get", "update").output
    assert "W:" not in told
    assert NAME in apt(served, tmp_path, OWN, "apt-cache", "pkgnames").output


def test_what_is_newer_is_in_the_security_archive(served: LocalArchive, tmp_path: Path) -> None:
    apt(served, tmp_path, OWN, "apt-get", "update")
    policy = apt(served, tmp_path, OWN, "apt-cache", "policy").output
    assert "l=Debian-Security" in policy
    known = apt(served, tmp_path, OWN, "apt-cache", "madison", NAME).output.splitlines()
    assert [line.split("|")[1].strip() for line in known] == ["2", "1"]
    assert "probe-security/main" in known[0]


def test_packages_are_offered_in_a_higher_version(served: LocalArchive, tmp_path: Path) -> None:
    assert served.upgrades == {
        NAME: "2",
        KERNEL.name: "6.12-1+probe1",
        NEWEST.name: "6.12-1+probe1",
    }
    apt(served, tmp_path, OWN, "apt-get", "update")
    told = apt(served, tmp_path, OWN, "apt-cache", "show", NEWEST.name).output
    assert "Depends: linux-image-6.12-amd64 (= 6.12-1+probe1), libc6" in told


def test_no_agent_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gpg starts one; it must not outlive the archive's making, nor its folder."""
    homes: list[str] = []

    def remembered(*words: Any, **options: Any) -> str:
        homes.append(mkdtemp(*words, **options))
        return homes[-1]

    monkeypatch.setattr("builder.guest.archive.tempfile.mkdtemp", remembered)
    with local_archive(tmp_path, ARCH):
        words = ["ps", "-e", "-o", "args="]
        listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    (home,) = (home for home in homes if Path(home).parent == Path("/tmp"))
    assert home not in listed
    assert not Path(home).exists()


def test_a_disk_tells_how_its_file_system_ended(tmp_path: Path) -> None:
    """mke2fs leaves it clean, and debugfs can say that the journal is needed."""
    part, raw, disk = tmp_path / "part", tmp_path / "raw", tmp_path / "disk.qcow2"
    run(["mke2fs", "-q", "-t", "ext4", part, "8M"])
    states = []
    for command in ("feature", "feature needs_recovery"):
        run(["debugfs", "-w", "-R", command, part])
        raw.write_bytes(bytes(START) + part.read_bytes())
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk])
        states.append(ext4_state(superblock_at(disk, START)))
    assert states == [Ext4State(clean=True, replay=False), Ext4State(clean=True, replay=True)]
