# SPDX-License-Identifier: GPL-2.0-or-later
"""Predicted and installed packages, held against each other."""

from __future__ import annotations

from builder.checks.predicted import check
from builder.models import Package


def package(name: str, version: str = "1", arch: str = "amd64") -> Package:
    return Package(name, version, arch, name, version)


def test_the_same_packages_pass() -> None:
    result = check([package("a"), package("b")], [package("b"), package("a", "1")])
    assert result.passed
    assert result.detail == ""


def test_every_difference_is_named() -> None:
    result = check(
        [package("gone"), package("same"), package("moved", "1")],
        [package("same"), package("moved", "2"), package("extra", arch="all")],
    )
    assert not result.passed
    assert result.detail == (
        "gone:amd64 1 is missing; extra:all 1 was not asked for; moved:amd64 is 2 instead of 1"
    )
