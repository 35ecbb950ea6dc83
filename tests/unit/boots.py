# SPDX-License-Identifier: GPL-2.0-or-later
"""Synthetic boots, for tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from builder.guest.reports.report import Boot, Report, Test

WHEN = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def case(name: str, outcome: str = "passed", **more: Any) -> Test:
    message = "it broke" if outcome in ("failed", "known") else ""
    return Test.model_validate({"name": name, "outcome": outcome, "message": message} | more)


def boot(*tests: Test, name: str = "uefi", **more: Any) -> Boot:
    """A boot with these tests; it failed if one of them did."""
    bad = any(test.outcome in ("failed", "not-run") for test in tests)
    values: dict[str, Any] = {
        "name": name,
        "verdict": "failed" if bad else "passed",
        "date": WHEN,
        "accel": "tcg",
        "seconds": 125.0,
        "command": f"fai-forge boot debian-13-20261121 --firmware {name}",
        "image": {"name": "debian-13-20261121.qcow2", "sha256": "a" * 64},
        "tests": tests,
    }
    return Boot.model_validate(values | more)


def report(*boots: Boot, serial: str | None = "20261121") -> Report:
    return Report(name="debian-13", serial=serial, arch="amd64", boots=boots)
