# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds that are interrupted or killed, that meet each other, or run out of space.

Whatever happens: no process, no mount, no loop device, nothing under a final name; the next build
works.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.builds import PARTIAL_SUFFIX
from tests.integration.harness import (
    NAME,
    Account,
    Forge,
    Running,
    ended,
    gone,
    only_root,
    traces,
)

REFRESH, INSTALL, DISK = "Refreshing the package", "unpacking the base file", "Assembling the disk"


def ctrl_c(running: Running) -> None:
    """The terminal sends it to the whole group in its foreground."""
    os.killpg(running.process.pid, signal.SIGINT)


def terminate(running: Running) -> None:
    running.process.terminate()


def kill(running: Running) -> None:
    running.process.kill()


def kill_inside(running: Running) -> None:
    """What the kernel does where memory is short: one process of the sandbox, here its first."""
    queue = [running.process.pid]
    outside = Path("/proc/self/ns/pid").readlink()
    for pid in queue:
        if Path(f"/proc/{pid}/ns/pid").readlink() != outside:
            os.kill(pid, signal.SIGKILL)
            return
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            queue += [int(child) for child in children.read_text().split()]
    pytest.fail("there is no sandbox")


ENDINGS = [
    (REFRESH, ctrl_c, (130,)),
    (REFRESH, kill, (-9,)),
    (INSTALL, ctrl_c, (130,)),
    (INSTALL, terminate, (130,)),
    (INSTALL, kill, (-9,)),
    # Debian 12's unshare fails itself when its child is killed, with code 1 and its own words.
    (INSTALL, kill_inside, (4, 1)),
    (DISK, terminate, (130,)),
    (DISK, kill, (-9,)),
]


def test_a_build_may_end_at_any_moment(forge: Forge, home: Path) -> None:
    """One after the other into one folder, so that each has to cope with what the last one left."""
    for stage, end, codes in ENDINGS:
        where = f"{end.__name__} while {stage}"
        with ended(forge.start_build("--serial", "20261120")) as running:
            running.until(stage)
            assert running.namespaces, where
            end(running)
            code = running.end()
            assert code in codes, f"{where}: {running.text}"
            assert "Traceback" not in running.text, f"{where}: {running.text}"
            if code == 130:
                assert "fai-forge: interrupted; nothing half-made is left" in running.text, where
            if code == 4:
                assert "fai-forge: the build was killed" in running.text, where
            assert gone(running), where
        assert traces(home) == [], where
        left = set(forge.left())
        assert left <= {f".20261120{PARTIAL_SUFFIX}", "20261120.failed"}, where
        if code == 130:
            assert f".20261120{PARTIAL_SUFFIX}" not in left, where
    running = forge.build("--serial", "20261120")
    assert running.process.returncode == 0, running.text
    assert {"20261120"} <= set(forge.left()) <= {"20261120", "20261120.failed"}
    assert (forge.out / NAME / "20261120" / f"{NAME}-20261120.qcow2").stat().st_size > 0


def test_a_killed_build_on_disk_is_swept_by_the_next(forge: Forge, home: Path) -> None:
    work = forge.cache / "work"
    with ended(forge.start_build("--workspace", "disk")) as running:
        running.until(INSTALL)
        kill(running)
        assert running.end() == -signal.SIGKILL
        assert gone(running)
    (abandoned,) = (path for path in work.iterdir() if path.is_dir())
    assert traces(home) == []
    running = forge.build("--workspace", "disk")
    assert running.process.returncode == 0, running.text
    assert not abandoned.exists()
    assert list(work.iterdir()) == []
    assert len(forge.left()) == 1


def test_builds_side_by_side(forge: Forge) -> None:
    """Two names share one cache; of one name, only one build runs in one folder."""
    with (
        ended(forge.start_build()) as first,
        ended(forge.start_build(name="debian-13-other")) as other,
    ):
        first.until("Fetching packages")
        second = forge.build()
        assert first.process.poll() is None
        assert second.process.returncode == 4
        assert second.text == (
            f"fai-forge: another build of debian-13 is running in {forge.out / NAME}\n"
            "    wait until it is done, or build into another folder with --out\n"
        )
        assert first.end() == 0, first.text
        assert other.end() == 0, other.text
    assert len(forge.left()) == len(forge.left("debian-13-other")) == 1


def test_a_damaged_cache_is_mended(forge: Forge, home: Path) -> None:
    """Packages, base file and tools tree: each is seen to be damaged, and made or fetched anew."""
    debs = list((forge.cache / "debs").rglob("*.deb"))
    roots = list((forge.cache / "rootfs").glob("*.tar.zst"))
    assert len(roots) >= 2
    for file in (*debs, *roots):
        with file.open("r+b") as stream:
            stream.seek(file.stat().st_size // 2)
            byte = stream.read(1)
            stream.seek(-1, os.SEEK_CUR)
            stream.write(bytes([byte[0] ^ 1]))
    running = forge.build()
    assert running.process.returncode == 0, running.text
    assert running.text.count("in the cache was damaged; it is made again") == 2
    assert running.text.count("in the cache was damaged; it is downloaded again") >= 1
    assert traces(home) == []


Prepare = Callable[[Forge], str]


def full_out(forge: Forge) -> str:
    return f"mount -t tmpfs -o size=16m tmpfs {forge.out}"


def full_workspace(forge: Forge) -> str:
    work = forge.cache / "work"
    return f"mkdir -p {work}; mount -t tmpfs -o size=192m tmpfs {work}"


def full_for_fai(forge: Forge) -> str:
    work = forge.cache / "work"
    return f"mkdir -p {work}; mount -t tmpfs -o size=320m tmpfs {work}"


@pytest.mark.parametrize(
    ("prepare", "option", "place"),
    [
        (full_out, "memory", "/run/fai-forge/out"),
        (full_workspace, "disk", "/run/fai-forge/work"),
        (full_for_fai, "disk", "/run/fai-forge/work"),
    ],
)
def test_a_full_disk(forge: Forge, prepare: Prepare, option: str, place: str) -> None:
    only_root("mount a file system")
    # The mounts are gone with the command; so what is left is listed from within.
    listing = forge.out.with_name(f"{forge.out.name}.txt")
    script = f'{prepare(forge)}; code=0; "$@" || code=$?; ls -A {forge.out / NAME} > {listing}'
    prefix = ("unshare", "--mount", "sh", "-ec", f"{script}; exit $code", "sh")
    running = replace(forge, prefix=prefix).build("--workspace", option)
    assert running.process.returncode == 4, running.text
    assert f"fai-forge: the file system of {place} is full\n" in running.text, running.text
    assert "free some space there" in running.text
    assert [name for name in listing.read_text().split() if not name.endswith(".failed")] == [
        ".lock"
    ]


@pytest.mark.parametrize("option", ["memory", "disk"])
def test_folders_that_allow_no_devices_no_setuid_and_no_programs(forge: Forge, option: str) -> None:
    only_root("mount a file system")
    work = forge.cache / "work"
    mount = "mount -t tmpfs -o nosuid,nodev,noexec tmpfs"
    kept = forge.out.with_name(f"{forge.out.name}-kept")
    script = f'mkdir -p {work}; {mount} {forge.out}; {mount} {work}; "$@"; cp -r {forge.out} {kept}'
    prefix = ("unshare", "--mount", "sh", "-ec", script, "sh")
    running = replace(forge, prefix=prefix).build("--workspace", option)
    assert running.process.returncode == 0, running.text
    assert len(list(kept.glob(f"{NAME}/*/*.qcow2"))) == 1


def test_a_plain_user(forge: Forge, home: Path, account: Account) -> None:
    """Killed in the middle, and then done: as a user who may nothing but have subordinate ids."""
    own = home / "plain"
    own.mkdir()
    prefix = account.prefix
    if prefix:
        for name in ("rootfs", "debs"):
            shutil.copytree(forge.cache / name, own / name)
        for path in (own, *own.rglob("*")):
            os.chown(path, account.uid, account.gid)
    forge = replace(forge, cache=own, out=own / "out", prefix=prefix)
    for option in ("memory", "disk"):
        with ended(forge.start_build("--workspace", option)) as running:
            running.until(INSTALL)
            assert running.namespaces
            kill(running)
            running.end()
            assert gone(running)
        assert traces(home) == []
    running = forge.build("--workspace", "disk")
    assert running.process.returncode == 0, running.text
    assert len(forge.left()) == 1
    assert list((own / "work").iterdir()) == []
    qcow2 = next(forge.out.glob(f"{NAME}/*/*.qcow2"))
    assert qcow2.stat().st_uid == account.uid
