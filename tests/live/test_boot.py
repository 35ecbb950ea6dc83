# SPDX-License-Identifier: GPL-2.0-or-later
"""debian-13 boots under every firmware, survives a kernel upgrade, and is the same made twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from builder.errors import CheckError
from builder.guest.progress import STAGES
from builder.guest.reports.report import parse
from builder.guest.verdict import verdict
from builder.manifest import document
from tests.live.conftest import NAME, REPORTS, forge
from tests.live.test_predicted import assert_foreseen

# What every boot leaves that has come as far as its end.
LEFT = (
    "console-{}.log",
    "journal-{}-1.log",
    "journal-{}-2.log",
    "analyze-{}-1.log",
    "analyze-{}-2.log",
    "boot-{}.log",
    "boot-{}.xml",
)
FAILING = """
def test_that_fails(guest):
    assert guest.check("echo no").strip() == "yes"
"""


# A kernel upgrade takes minutes under emulation; it writes the boot loaders of all kinds.
@pytest.mark.parametrize(("kind", "upgrade"), [("bios", False), ("secureboot", True)])
def test_it_boots(out: Path, live_image: Path, kind: str, upgrade: bool) -> None:
    before = hashlib.sha256(live_image.read_bytes()).hexdigest()
    answer = forge(
        *("boot", NAME, "--out", out, "--report-dir", REPORTS, "--firmware", kind, "--json"),
        # One of them shows that a second guest differs.
        *(("--reinstall-kernel", "--no-twin") if upgrade else ()),
    )
    assert answer.code == 0, answer.err + answer.out
    (boot,) = parse(answer.out, "stdout").boots
    assert boot.name == kind
    passed = {test.name for test in boot.of("passed")}
    assert {
        "test_apt::test_security_updates_survive_the_reboot",
        "test_lifecycle::test_reboots_and_comes_back",
        "test_lifecycle::test_powers_off",
    } <= passed
    assert ("test_kernel::test_the_updated_kernel_runs" in passed) == upgrade
    assert boot.image.sha256 == before
    assert [stage.name for stage in boot.stages] == list(STAGES)
    left = {log.name for log in boot.logs}
    assert {name.format(kind) for name in LEFT} <= left
    for name in left:
        assert b"PRIVATE KEY" not in (REPORTS / name).read_bytes(), name
    first, second = boot.starts
    assert (first.number, second.number) == (1, 2)
    assert first.seconds
    assert first.slowest

    manifest = document.load(next(live_image.parent.glob("*.manifest.json")))
    assert (kind, "passed") in [(each.name, each.verdict) for each in manifest.boots]
    page = (REPORTS / f"{manifest.name}-{manifest.serial}.report.html").read_text()
    assert kind in page
    # What is published is never written to.
    assert hashlib.sha256(live_image.read_bytes()).hexdigest() == before


def test_a_failing_test_of_a_class_is_seen(live_image: Path, tmp_path: Path) -> None:
    """UEFI, with a test of a class in the same guest: its failure is the only one."""
    extra = tmp_path / "test_of_a_class.py"
    extra.write_text(FAILING)
    report = verdict(live_image, report_dir=REPORTS, firmware="uefi", tests=[extra], twin=False)
    assert report.failed == ("test_of_a_class::test_that_fails",), report
    assert "test_lifecycle::test_powers_off" in report.passed
    with pytest.raises(CheckError, match=r"1 of \d+ tests failed in the uefi guest"):
        report.require()
    for name in (*LEFT, "screen-{}.png"):
        assert (REPORTS / name.format("uefi")).stat().st_size > 0
    assert (REPORTS / "screen-uefi.png").read_bytes().startswith(b"\x89PNG")


def test_a_plan_foresaw_it(out: Path) -> None:
    """A plan of the same minute names its packages, version by version."""
    assert_foreseen(out, NAME)


def test_the_same_image_again(live_image: Path) -> None:
    """In another folder, put together on disk instead of in memory, every byte is the same."""
    answer = forge("repro-check", NAME, "--against", live_image.parent, "--json")
    assert answer.code == 0, answer.err
    report = answer.json()
    assert report["same"]
    assert {Path(each["name"]).suffix for each in report["files"]} == {".qcow2", ".raw"}
