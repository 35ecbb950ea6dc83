# SPDX-License-Identifier: GPL-2.0-or-later
"""What `doctor` says of programs and firmware that only some machines need."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import run
from builder.cli import doctor
from builder.guest import machines
from builder.run import Tool


def answer(monkeypatch: pytest.MonkeyPatch, *findings: doctor._Finding) -> int:
    def found(_out: Path) -> Iterator[doctor._Finding]:
        yield from findings

    monkeypatch.setattr(doctor, "_findings", found)
    return doctor.VERB.call(argparse.Namespace(out=Path("out"), json=False))


@pytest.mark.parametrize(
    ("finding", "code", "mark"),
    [
        (doctor._Finding("ovmf", True, "d"), 0, "ok"),
        (doctor._Finding("ovmf", False, "d", "apt-get install ovmf"), 4, "NO"),
        (doctor._Finding("u-boot", False, "d", "apt-get install u-boot", optional=True), 0, "--"),
    ],
)
def test_only_what_all_need_is_a_failure(
    finding: doctor._Finding,
    code: int,
    mark: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answer(monkeypatch, finding) == code
    told = capsys.readouterr().out
    assert told.startswith(f"{mark}  {finding.what}")
    assert finding.hint in told


def test_emulators_of_other_architectures_are_for_some() -> None:
    emulators = {row.emulator: arch for arch, row in machines.MACHINES.items()}
    wanted = {run.TOOLS[name].name: arch != "amd64" for name, arch in emulators.items()}
    assert {name: run.TOOLS[name].optional for name in emulators} == wanted


def test_missing_firmware_is_named_by_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "installed", lambda arch: ("bios",) if arch == "amd64" else ())
    found = {arch: doctor._firmware(arch) for arch in machines.MACHINES}
    assert found["amd64"].hint == "apt-get install ovmf"
    assert (found["amd64"].optional, found["riscv64"].optional) == (False, True)
    assert found["arm64"].hint == "apt-get install qemu-efi-aarch64"
    assert found["riscv64"].hint == "apt-get install u-boot-qemu"


def test_a_program_may_be_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TOOLS", {})
    run.needs("some-program", package="some", purpose="try this", optional=True)
    assert run.TOOLS["some-program"] == Tool("some-program", "some", "try this", optional=True)
