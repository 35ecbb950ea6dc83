# SPDX-License-Identifier: GPL-2.0-or-later
"""Holding two builds against each other: files by format, packages by version."""

from __future__ import annotations

import pytest

from builder.errors import UsageError
from builder.manifest.model import Build, ConfigSpace, File, Manifest, Package, ToolsTree
from builder.repro import compare, input_changes, package_changes


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


def test_what_else_went_in_differs() -> None:
    def of(version: str, space: str, tools: str) -> Manifest:
        return Manifest.model_construct(
            build=Build.model_construct(
                tool_version=version,
                config_space=ConfigSpace.model_construct(digest=space * 64),
                tools_tree=ToolsTree.model_construct(digest=tools * 64),
            )
        )

    first = of("1.0", "a", "b")
    assert input_changes(first, first) == ()
    assert input_changes(first, of("1.1", "c", "b")) == (
        "fai-forge: 1.0 / 1.1",
        "config space: aaaaaaaaaaaa / cccccccccccc",
    )
    assert input_changes(first, of("1.0", "a", "d")) == ("tools tree: bbbbbbbbbbbb / dddddddddddd",)
