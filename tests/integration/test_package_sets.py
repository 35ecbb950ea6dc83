# SPDX-License-Identifier: GPL-2.0-or-later
"""The cloud role's promise: no larger than the package set of Debian's own genericcloud image."""

from __future__ import annotations

from bench.package_sets import compare


def test_cloud_is_no_larger_than_debians_genericcloud() -> None:
    found = compare("debian-13-cloud")
    cloud, debians = found["debian-13-cloud"], found["genericcloud"]
    assert 0 < cloud.packages <= debians.packages
    assert 0 < cloud.installed_kib <= debians.installed_kib
