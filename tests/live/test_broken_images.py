# SPDX-License-Identifier: GPL-2.0-or-later
"""An image with one fault is caught, and reported as exactly that.

Most faults are planted into a copy of a good build, past the checks that would refuse some of them;
that those do is shown too, with classes that bring the same faults into a build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.guest.reports.junit import read_session
from tests.live.conftest import REPORTS, Answer, forge
from tests.live.faults import plant
from tests.live.faults.disk import Disk

OVERLAY = Path(__file__).parent / "faults"
# What a guest was waited for when it was lost.
STEPS = "(?:start its kernel|print its SSH host keys|answer on SSH)"


@dataclass(frozen=True)
class Fault:
    """A fault, the firmware that meets it, and what must be said of it, with what evidence."""

    plant: Callable[[Disk], None]
    firmware: str
    cause: str
    evidence: str

    @property
    def name(self) -> str:
        """The fault's name, for pytest."""
        return self.plant.__name__


# Found out in seconds, so that `make test` can afford them.
SOON = (
    Fault(
        plant.unsigned_loader,
        "secureboot",
        r"Secure Boot refused grubx64\.efi",
        r"Verification failed: \(0x1A\) Security Violation",
    ),
    Fault(
        plant.no_initramfs,
        "uefi",
        r"the kernel panicked: VFS: Unable to mount root fs on unknown-block\(0,0\)",
        r"Cannot open root device",
    ),
)
LATER = (
    Fault(
        plant.unsigned_shim,
        "secureboot",
        r"Secure Boot refused the disk's first boot loader",
        r"failed to load .*: Access Denied",
    ),
    Fault(
        plant.wrong_root,
        "bios",
        rf"the kernel is told root=UUID={plant.WRONG_UUID}, and the disk has [0-9a-f-]{{36}} "
        r"\(/dev/vda1\)",
        r"# blkid\n",
    ),
    Fault(
        plant.no_disk_driver,
        "bios",
        r"the initramfs has no driver for the disk \(virtio_blk\)",
        r"# cat /proc/partitions\n",
    ),
    Fault(
        plant.no_ssh,
        "uefi",
        r"the system is up, but its SSH server is disabled",
        r"# systemctl is-enabled ssh\.service\ndisabled",
    ),
)


def failures(firmware: str, image: Path | str, *words: str | Path) -> tuple[dict[str, str], Answer]:
    """The tests that fail where they must, each with its reason; and what a person is told."""
    reports = REPORTS / Path(image).stem
    answer = forge("boot", image, "--firmware", firmware, "--report-dir", reports, *words)
    assert answer.code == 3, answer.err + answer.out
    session = read_session((reports / f"boot-{firmware}.xml").read_text())
    return {test.name: test.message for test in session.tests if not test.passed}, answer


def check(fault: Fault, image: Path, tmp_path: Path) -> None:
    """Plant a fault and see that each test fails for it, and that it is told."""
    disk = Disk.copy(image, tmp_path, name=f"fault-{fault.name}")
    fault.plant(disk)
    failed, answer = failures(fault.firmware, disk.raw)
    disk.raw.unlink()
    assert "test_system::test_no_failed_units" in failed
    (told,) = set(failed.values())
    first, *hint = told.splitlines()
    # Found out, and not only given up when a limit was over.
    assert re.search(rf"^the guest \({fault.firmware}, \w+\) did not {STEPS}: {fault.cause}", first)
    assert re.search(fault.evidence, "\n".join(hint))
    assert first in answer.out


@pytest.mark.parametrize("fault", SOON, ids=lambda fault: fault.name)
def test_a_fault_that_shows_at_once(fault: Fault, live_image: Path, tmp_path: Path) -> None:
    check(fault, live_image, tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("fault", LATER, ids=lambda fault: fault.name)
def test_a_fault_that_must_be_asked_for(fault: Fault, live_image: Path, tmp_path: Path) -> None:
    check(fault, live_image, tmp_path)


@pytest.mark.thorough
def test_a_stale_host_key(live_image: Path, tmp_path: Path) -> None:
    """We get in, and the test of the keys says which one is old; only a twin could show more."""
    disk = Disk.copy(live_image, tmp_path, name="fault-stale_host_key")
    plant.stale_host_key(disk)
    failed, _ = failures("uefi", disk.raw)
    told = failed.pop("test_ssh::test_host_keys_are_fresh_and_private")
    assert "/etc/ssh/ssh_host_ed25519_key is older than the boot" in told
    assert all(name.startswith("test_twin::") for name in failed), failed


@pytest.mark.thorough
def test_a_unit_that_fails(tmp_path: Path) -> None:
    """No check can foresee it, so the image is built; the boot names the unit."""
    name = "debian-13-slim-failedunit"
    built = forge("build", name, "--overlay", OVERLAY, "--out", tmp_path, "--format", "qcow2")
    assert built.code == 0, built.err
    failed, _ = failures("uefi", name, "--out", tmp_path, "--overlay", OVERLAY)
    assert "planted-fault.service" in failed["test_system::test_no_failed_units"]
    assert all(re.match(OF_UNITS, name) for name in failed), json.dumps(failed, indent=1)


# What a failed unit makes fail, and nothing else: it is told on the console and in the journal, and
# fails once more after a reboot.
OF_UNITS = (
    r"test_system::(test_no_failed_units|test_system_is_running)|test_journal::"
    r"|test_lifecycle::(test_reboots_and_comes_back|test_the_console_is_clean)"
)


@pytest.mark.thorough
def test_checks_refuse_what_they_can_see(tmp_path: Path) -> None:
    """Four faults in one build: it ends before the disk is made, and each is named."""
    name = "debian-13-slim-stalekeys-wrongroot-nossh-noinitrd"
    built = forge("build", name, "--overlay", OVERLAY, "--out", tmp_path, "--format", "qcow2")
    assert built.code == 3, built.err
    for refusal in (
        r"ssh-host-keys: /etc/ssh/ssh_host_\w+_key exists",
        rf"kernel-command-line: .*{plant.WRONG_UUID}",
        r"class-units: .*ssh\.service",
        r"kernel: /boot/initrd\.img-\S+ is missing or empty",
    ):
        assert re.search(refusal, built.err), built.err
    assert not list(tmp_path.rglob("*.qcow2"))
