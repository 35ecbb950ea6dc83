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
