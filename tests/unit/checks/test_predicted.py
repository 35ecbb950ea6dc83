# SPDX-License-Identifier: GPL-2.0-or-later
"""Predicted and installed packages, held against each other, and who made the difference."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from builder.checks.culprits import culprits
from builder.checks.predicted import check
from builder.models import Package


def package(name: str, version: str = "1", arch: str = "amd64") -> Package:
    return Package(name, version, arch, name, version)


def nobody(names: Collection[str]) -> dict[str, str]:
    pytest.fail(f"nothing differs, and yet who is behind {names} was asked")


def test_the_same_packages_pass() -> None:
    result = check([package("a"), package("b")], [package("b"), package("a", "1")], nobody)
    assert result.passed
    assert result.detail == ""


def test_every_difference_is_named() -> None:
    result = check(
        [package("gone"), package("same"), package("moved", "1")],
        [package("same"), package("moved", "2"), package("extra", arch="all")],
        lambda names: {"extra": "scripts/BAD/10-x"} if names == {"gone", "moved", "extra"} else {},
    )
    assert not result.passed
    assert result.detail == (
        "extra:all 1 was not asked for (by scripts/BAD/10-x); gone:amd64 1 is missing; "
        "moved:amd64 is 2 instead of 1"
    )


LOG = """\
Calling task_instsoft
Unpacking wanted (1.0) ...
Calling hook: configure.BAD
Setting up by-hook (1.0) ...
Calling task_configure
Executing shell: BAD/10-x
===== output of the classes' scripts =====
=====   shell: BAD/10-x   =====
Unpacking by-script:amd64 (1.0) ...
Setting up wanted (1.0) ...
=====   shell: LAST/90-clean   =====
Removing gone (1.0) ...
"""


def test_the_log_tells_who_was_at_work(tmp_path: Path) -> None:
    script = tmp_path / "scripts/BAD/20-y"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n$ROOTCMD apt-get -qq install quiet by-script\n")
    found = culprits(
        LOG.splitlines(), tmp_path, {"by-hook", "by-script", "gone", "quiet", "nobodys"}
    )
    assert found == {
        "by-hook": "hooks/configure.BAD",
        "by-script": "scripts/BAD/10-x",
        "gone": "scripts/LAST/90-clean",
        "quiet": "scripts/BAD/20-y",
    }
