# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM or emulation: what is tried in which order, and what is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.guest import accel


@pytest.fixture
def verdict(tmp_path: Path) -> accel.Verdict:
    return accel.Verdict(tmp_path / "cache" / "kvm-test")


@pytest.mark.parametrize(
    ("known", "expected"), [(None, ("kvm", "tcg")), (True, ("kvm",)), (False, ("tcg",))]
)
def test_auto_tries_only_while_nobody_knows(
    verdict: accel.Verdict,
    monkeypatch: pytest.MonkeyPatch,
    known: bool | None,
    expected: tuple[str, ...],
) -> None:
    monkeypatch.setattr(accel, "usable", lambda _arch: True)
    if known is not None:
        verdict.remember(known)
    assert tuple(accel.attempts("auto", "amd64", verdict)) == expected


def test_auto_without_a_device_tries_nothing(
    verdict: accel.Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accel, "usable", lambda _arch: False)
    verdict.remember(True)
    assert tuple(accel.attempts("auto", "amd64", verdict)) == ("tcg",)


def test_kvm_on_demand_fails_where_it_cannot_be(
    verdict: accel.Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accel, "usable", lambda _arch: False)
    with pytest.raises(InfrastructureError, match="KVM does not run amd64 kernels"):
        accel.attempts("kvm", "amd64", verdict)


def test_tcg_on_demand_never_looks(verdict: accel.Verdict) -> None:
    verdict.remember(True)
    assert tuple(accel.attempts("tcg", "amd64", verdict)) == ("tcg",)


def test_an_unknown_choice_names_the_known_ones(verdict: accel.Verdict) -> None:
    with pytest.raises(UsageError) as caught:
        accel.attempts("xen", "amd64", verdict)
    assert "kvm" in caught.value.hint


def test_a_damaged_verdict_counts_as_none(verdict: accel.Verdict) -> None:
    verdict.remember(False)
    verdict.path.write_text("perhaps")
    assert verdict.known() is None


def test_a_device_that_does_not_open_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(accel, "DEVICE", tmp_path / "kvm")
    assert accel.usable("amd64") is False
    (tmp_path / "kvm").touch()
    assert accel.usable("amd64") is True
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert accel.usable("amd64") is False


def test_only_emulation_is_slower_elsewhere() -> None:
    assert accel.slowness("amd64", "tcg") == 1
    assert accel.slowness("arm64", "kvm") == 1
    assert accel.slowness("arm64", "tcg") > 1


def test_a_verdict_is_of_an_architecture_and_its_emulator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions = {"qemu-system-x86_64": "7.2", "qemu-system-aarch64": "7.2"}
    monkeypatch.setattr(accel, "_qemu_version", versions.__getitem__)
    amd64, arm64 = (accel.verdict_of(tmp_path, arch).path for arch in ("amd64", "arm64"))
    assert amd64 != arm64
    versions["qemu-system-aarch64"] = "10.0"
    assert accel.verdict_of(tmp_path, "amd64").path == amd64
    assert accel.verdict_of(tmp_path, "arm64").path != arm64
