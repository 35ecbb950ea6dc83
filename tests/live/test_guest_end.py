# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest never outlives its test, however and whenever that ends, and never touches the image."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import CheckError
from builder.guest.boot import boot
from builder.guest.hypervisor import IDLE_SECONDS
from tests.integration.harness import Account
from tests.live.ending import Ending, Moment, emulators, owned_by, wait_for
from tests.live.faults import plant
from tests.live.faults.disk import Disk

KILL, TERM, HUP = signal.SIGKILL, signal.SIGTERM, signal.SIGHUP
BY_SIGNAL = pytest.mark.parametrize("number", [KILL, TERM, HUP], ids=lambda number: number.name)
# A daemon that nobody uses any more ends by itself, and takes its companion along.
DAEMONS_END = IDLE_SECONDS + 30


@pytest.fixture
def ending(live_image: Path, tmp_path: Path) -> Iterator[Ending]:
    """What is started and ended here; at last nothing of it is left, and the image is as it was."""
    with Ending(live_image, tmp_path).checked() as ready:
        yield ready


@BY_SIGNAL
def test_before_the_guest_starts(ending: Ending, number: signal.Signals) -> None:
    """Its disks are made, the connection is open, and that is all."""
    with ending.started("run", moment=Moment.BEFORE) as program:
        ending.end(program, number)
    ending.left(1 if number == KILL else 0)


@BY_SIGNAL
def test_while_it_boots(ending: Ending, number: signal.Signals) -> None:
    with ending.started("run") as program:
        assert wait_for(lambda: bool(emulators(ending.work)), 120), "no guest was started"
        ending.end(program, number)
    # Only a signal that gives time to clean up leaves nothing; the next run removes the rest.
    ending.left(1 if number == KILL else 0)


@pytest.mark.thorough
@BY_SIGNAL
def test_while_tests_run_in_two_guests(ending: Ending, number: signal.Signals) -> None:
    """Both are in a test, in two pytests side by side."""
    kinds = ("uefi", "secureboot")
    with ending.started(*kinds, moment=Moment.TESTS) as program:
        marks = [ending.work / "tests" / kind for kind in kinds]
        assert wait_for(lambda: all(mark.exists() for mark in marks), 1800)
        assert len(emulators(ending.work)) == 2
        ending.end(program, number)
    ending.left(0)


@pytest.mark.thorough
@BY_SIGNAL
def test_while_a_lost_guest_is_asked(ending: Ending, number: signal.Signals) -> None:
    """The initramfs gave a shell, and its console is open."""
    disk = Disk.copy(ending.image, ending.work, name="wrong_root")
    plant.wrong_root(disk)
    ending.image = disk.raw
    with ending.started("run", moment=Moment.ASKING, seconds=1800) as program:
        assert emulators(ending.work)
        ending.end(program, number)
    ending.left(1 if number == KILL else 0)


def test_a_plain_user_is_left_without_daemons(live_image: Path, account: Account) -> None:
    """Their own libvirtd and virtlogd, which nobody else uses, are gone as well."""
    if account.uid == os.geteuid():
        pytest.fail("this test looks at all processes of a user: run it as root")
    home = Path(tempfile.mkdtemp(prefix="fai-forge-live-"))
    try:
        (home / "run").mkdir(mode=0o700)
        image = home / live_image.name
        image.hardlink_to(live_image)
        for path in (home, home / "run"):
            os.chown(path, account.uid, account.gid)
        ending = Ending(image, home, account)
        with ending.checked():
            with ending.started("run") as program:
                assert wait_for(lambda: bool(emulators(home)), 120), "no guest was started"
                assert {"libvirtd", "virtlogd"} <= owned_by(account.uid)
                ending.end(program, KILL)
            assert wait_for(lambda: not owned_by(account.uid), DAEMONS_END), owned_by(account.uid)
            ending.left(1)
    finally:
        shutil.rmtree(home)


def test_an_image_that_cannot_boot_is_found_out_soon(tmp_path: Path) -> None:
    empty = tmp_path / "empty.raw"
    with empty.open("wb") as stream:
        stream.truncate(64 << 20)
    with (
        pytest.raises(CheckError, match="nothing to boot") as caught,
        # The BIOS of QEMU has no serial console: there, only the time limit tells.
        boot(
            empty,
            firmware="uefi",
            accel="tcg",
            work_dir=tmp_path / "work",
            report_dir=tmp_path / "report",
        ),
    ):
        pytest.fail("an empty disk booted")
    console = tmp_path / "report" / "console-uefi.log"
    assert str(console) in caught.value.hint
    assert "UEFI Interactive Shell" in console.read_text()
    assert list((tmp_path / "work").iterdir()) == []
    assert emulators(tmp_path) == []
