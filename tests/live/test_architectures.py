# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of other architectures and roles boot, and keep what their classes promise."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.guest.reports.report import parse
from builder.manifest import document
from tests.live.conftest import REPORTS, forge

pytestmark = pytest.mark.thorough

# An image, one firmware that it promises, and the tests of a class that it has.
IMAGES = (
    ("debian-13-arm64", "uefi", "ARM64/test_arm64"),
    ("debian-13-hypervisor", "uefi", "HYPERVISOR/test_hypervisor"),
    ("debian-13-slim", "bios", "SLIM/test_slim"),
)
# Mirrors update these later than others, and a half updated suite is not built from: the first
# release that can be had shows the machine as well.
LATE = (
    ("ppc64el", "ieee1275", "PPC64EL/test_ppc64el"),
    ("riscv64", "uefi", "RISCV64/test_riscv64"),
)
RELEASES = ("debian-13", "debian-14")
OFF = "test_lifecycle::test_powers_off"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where one image is built; it is large, and not kept."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def boots(name: str, firmware: str, tests: str, folder: Path) -> None:
    """Build an image, boot it, and let the tests of its classes run in it."""
    built = forge("build", name, "--out", folder, "--format", "qcow2")
    assert built.code == 0, built.err
    where = ("--out", folder, "--report-dir", REPORTS / name)
    answer = forge("boot", name, *where, "--firmware", firmware, "--json")
    assert answer.code == 0, answer.err + answer.out
    (report,) = parse(answer.out, "stdout").boots
    assert (report.name, report.of("failed")) == (firmware, ())
    passed = {test.name for test in report.of("passed")}
    assert tests in {test.rpartition("::")[0] for test in passed}
    assert OFF in passed
    (manifest,) = folder.glob(f"{name}/*/*.manifest.json")
    assert {each.name: each.verdict for each in document.load(manifest).boots} == {
        firmware: "passed"
    }


def newest(arch: str) -> str:
    """The image of the first release that the mirror has whole."""
    answers: dict[str, Any] = {}
    for release in RELEASES:
        (decision,) = forge("plan", f"{release}-{arch}", "--json").json()["decisions"]
        answers[release] = decision["reasons"]
        if decision["answer"] != "unknown":
            return f"{release}-{arch}"
    pytest.fail(f"no release of {arch} can be built: {answers}")


@pytest.mark.parametrize(("name", "firmware", "tests"), IMAGES)
def test_an_image_boots(name: str, firmware: str, tests: str, folder: Path) -> None:
    boots(name, firmware, tests, folder)


@pytest.mark.parametrize(("arch", "firmware", "tests"), LATE)
def test_an_architecture_boots(arch: str, firmware: str, tests: str, folder: Path) -> None:
    boots(newest(arch), firmware, tests, folder)
