# SPDX-License-Identifier: GPL-2.0-or-later
"""debian-13-slim starts as a container; tests see what is wrong in it, and nothing is left."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.guest.containers import cgroup
from builder.guest.containers.container import container
from builder.guest.containers.tools import TOOLS, Tool
from builder.guest.guest import CREDENTIALS
from builder.guest.reports.report import parse
from builder.guest.verdict import verdict
from builder.manifest import document
from tests.live.conftest import forge

pytestmark = pytest.mark.thorough

NAME = "debian-13-slim"
UNIT = "etc/systemd/system/planted.service"
PLANTED = """\
[Unit]
Description=A planted fault
[Service]
Type=oneshot
ExecStart=/bin/false
[Install]
WantedBy=multi-user.target
"""
PROGRAM = """
import sys
from pathlib import Path
from builder.guest.containers.container import container

with container(Path(sys.argv[1]), login="credentials", work_dir=Path(sys.argv[2])) as guest:
    print(guest.name, flush=True)
    guest.domain.stopped.wait()
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of builds that has one of debian-13-slim, as a tarball only."""
    folder = tmp_path_factory.mktemp("slim")
    done = forge("build", NAME, "--out", folder, "--format", "rootfs.tar.xz")
    assert done.code == 0, done.err
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(built: Path) -> Path:
    """The tarball of that build."""
    (found,) = built.glob(f"{NAME}/*/*.rootfs.tar.xz")
    return found


def test_it_starts_and_passes(built: Path, image: Path, tmp_path: Path) -> None:
    """Without a word about it, since the build has a tarball and no disk."""
    answer = forge("boot", NAME, "--out", built, "--report-dir", tmp_path, "--json")
    assert answer.code == 0, answer.err + answer.out
    (boot,) = parse(answer.out, "stdout").boots
    assert (boot.name, boot.accel) == ("container", "container")
    passed = {test.name for test in boot.of("passed")}
    assert {
        "test_system::test_no_failed_units",
        "SLIM/test_slim::test_there_is_no_documentation",
    } <= passed
    # About a machine, which it is not.
    assert not [name for name in passed if "initramfs" in name or "kernel" in name]
    assert [stage.name for stage in boot.stages] == ["machine", "kernel", "settled"]
    assert {"console-container.log", "journal-container-1.log", "journal-container-2.log"} <= {
        log.name for log in boot.logs
    }
    (remembered,) = document.load(next(image.parent.glob("*.manifest.json"))).boots
    assert (remembered.name, remembered.verdict) == ("container", "passed")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_program_starts_it(image: Path, tmp_path: Path, tool: Tool) -> None:
    work, reports = tmp_path / "work", tmp_path / "reports"
    with container(image, login=CREDENTIALS, work_dir=work, report_dir=reports, tool=tool) as guest:
        assert guest.check("systemctl is-system-running").strip() == "running"
        assert "via 10.0.2.2 " in guest.check("ip -4 route show default")
        assert guest.host_keys
        (tmp_path / "given").write_bytes(bytes(range(256)))
        guest.put(tmp_path / "given", "/root/a file")
        assert guest.check("sha256sum '/root/a file'").split()[0] in (
            "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880"
        )
        assert guest.run("echo no >&2; false") == (1, "", "no\n")
        before = guest.boot_id()
        guest.reboot()
        assert guest.boot_id() != before
        guest.poweroff()
        assert guest.console_hits() == []
    assert "reboot.target" in (reports / "console-container.log").read_text()
    assert list(work.iterdir()) == []


def test_a_unit_that_fails_is_seen(image: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.rootfs.tar.xz"
    plant(image, broken)
    report = verdict(
        broken, report_dir=tmp_path / "reports", firmware="container", login=CREDENTIALS
    )
    assert "test_system::test_no_failed_units" in report.failed
    (test,) = (each for each in report.tests if each.name == "test_system::test_no_failed_units")
    assert "planted.service" in test.message


def plant(image: Path, broken: Path) -> None:
    """Copy a tarball, with one unit more. The copy is not compressed, which tar finds out."""
    with tarfile.open(image) as old, tarfile.open(broken, "w", format=tarfile.PAX_FORMAT) as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        unit = tarfile.TarInfo(f"./{UNIT}")
        unit.size = len(PLANTED)
        new.addfile(unit, io.BytesIO(PLANTED.encode()))
        wanted = tarfile.TarInfo("./etc/systemd/system/multi-user.target.wants/planted.service")
        wanted.type, wanted.linkname = tarfile.SYMTYPE, f"/{UNIT}"
        new.addfile(wanted)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_container_outlives_its_program(
    image: Path, tmp_path: Path, number: signal.Signals
) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    words = [sys.executable, "-c", PROGRAM, str(image), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            name = program.stdout.readline().strip()
            assert name, "no container was started"
            assert groups(name)
            os.kill(program.pid, number)
            program.wait(60)
            assert wait_for(lambda: not members(name)), members(name)
            assert wait_for(lambda: not groups(name)), groups(name)
            assert wait_for(lambda: not list(tmp_path.iterdir())), list(tmp_path.iterdir())
        finally:
            program.kill()
    assert Path("/proc/self/mountinfo").read_text() == mounts


def groups(name: str) -> list[Path]:
    """The control groups of a container."""
    point = cgroup.mount_point(Path("/proc/self/mounts").read_text())
    assert point is not None
    return list(point.rglob(name))


def members(name: str) -> list[int]:
    """The processes in the control groups of a container, and its keeper."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            told = (entry / "cgroup").read_text() + (entry / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if entry.name.isdigit() and int(entry.name) != os.getpid() and name in told:
            found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Poll, since other processes tell nobody when they end."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
