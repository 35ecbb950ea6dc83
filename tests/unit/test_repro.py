# SPDX-License-Identifier: GPL-2.0-or-later
"""Holding two builds against each other: files by format, packages by version."""

from __future__ import annotations

import pytest

from builder.errors import UsageError
from builder.manifest.model import File, Manifest, Package
from builder.repro import compare, package_changes


def manifest(files: dict[str, str], packages: dict[str, str] | None = None) -> Manifest:
    """A manifest of files by format and packages by name; nothing else of it is looked at."""
    return Manifest.model_construct(
        files=tuple(
            File.model_construct(name=f"debian-13.{form}", format=form, sha256=digest)
            for form, digest in files.items()
        ),
        packages=tuple(
            Package.model_construct(name=name, arch="amd64", version=version)
            for name, version in (packages or {}).items()
        ),
    )


def test_formats_that_both_have_are_compared() -> None:
    first = manifest({"raw": "aa", "qcow2": "bb", "vmdk": "cc"})
    second = manifest({"qcow2": "bx", "raw": "aa"})
    assert [(each.name, each.same) for each in compare(first, second)] == [
        ("debian-13.raw", True),
        ("debian-13.qcow2", False),
    ]


def test_nothing_in_common_is_no_success() -> None:
    with pytest.raises(UsageError, match="no format in common"):
        compare(manifest({"raw": "aa"}), manifest({"qcow2": "bb"}))


def test_what_the_package_sets_differ_in() -> None:
    first = manifest({}, {"libc6": "1", "nano": "2", "less": "3"})
    second = manifest({}, {"libc6": "1", "nano": "2.1", "vim": "4"})
    assert package_changes(first, second) == (
        "less:amd64: 3 / absent",
        "nano:amd64: 2 / 2.1",
        "vim:amd64: absent / 4",
    )
    assert package_changes(first, first) == ()
