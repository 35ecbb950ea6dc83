# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading apt's simulation: which packages, which versions, from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Deb822

from builder.archive import predict as module
from builder.archive.aptroot import AptRoot
from builder.archive.predict import INSTALL, predict, source_of
from builder.errors import BuildError
from builder.run import CommandError, Completed

ROOT = AptRoot(Path("/apt"), "amd64", ())
# As apt 2.6 and 3.0 print it.
SIMULATED = """\
NOTE: This is only a simulation!
Inst gcc-14-base (14.2.0-19 Debian:13.7/stable [amd64])
Inst libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64]) []
Inst bsdutils (1:2.41.5-0 Debian:13.7/stable, Debian-Security:13/stable-security [amd64])
Conf libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])
"""
SHOWN = """\
Package: libc6
Version: 2.41-12+deb13u4
Architecture: amd64
Source: glibc
Size: 3000
SHA256: cc
Filename: pool/main/g/glibc/libc6.deb

Package: bsdutils
Version: 1:2.41.5-0
Architecture: amd64
Source: util-linux (2.41.5-0)
Size: 100
SHA256: bb
Filename: pool/main/u/util-linux/bsdutils.deb

Package: bsdutils
Version: 1:2.41.5-0
Architecture: amd64
Source: util-linux (2.41.5-0)
Size: 100
SHA256: bb
Filename: pool/updates/main/u/util-linux/bsdutils.deb

Package: gcc-14-base
Version: 14.2.0-19
Architecture: amd64
Source: gcc-14
Size: 50
SHA256: aa
Filename: pool/main/g/gcc-14/gcc-14-base.deb
"""


@pytest.mark.parametrize(
    ("line", "name", "version", "origins"),
    [
        (
            "Inst libc6 (2.41-12 Debian:13.7/stable [amd64]) []",
            "libc6",
            "2.41-12",
            "Debian:13.7/stable",
        ),
        (
            "Inst libc6:i386 (2.41 Debian:13/stable, Debian-Security:13/stable-security [i386])",
            "libc6",
            "2.41",
            "Debian:13/stable, Debian-Security:13/stable-security",
        ),
        (
            "Inst tzdata (2026a-0+deb13u1 Debian:13.7/stable [all]) [libc6:amd64 ]",
            "tzdata",
            "2026a-0+deb13u1",
            "Debian:13.7/stable",
        ),
    ],
)
def test_a_line_of_the_simulation(line: str, name: str, version: str, origins: str) -> None:
    match = INSTALL.match(line)
    assert match is not None
    assert (match["name"], match["version"], match["origins"]) == (name, version, origins)


@pytest.mark.parametrize(
    "line", ["Conf libc6 (2.41 Debian:13/stable [amd64])", "Remv nano [8.4]", "The following NEW"]
)
def test_other_lines_install_nothing(line: str) -> None:
    assert INSTALL.match(line) is None


def test_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def answers(argv: list[str], **_more: Any) -> Completed:
        calls.append(argv)
        return Completed(tuple(argv), 0, SHOWN if argv[0] == "apt-cache" else SIMULATED)

    monkeypatch.setattr(module, "run", answers)
    found = predict(ROOT, ["nano"], recommends=True)
    assert calls[0][-4:] == ["?essential", "?priority(required)", "apt", "nano"]
    assert "APT::Install-Recommends=true" in calls[0]
    assert not any("Preferences" in word for word in calls[0])
    predict(ROOT, ["nano"], preferences=Path("/pins"))
    assert "Dir::Etc::PreferencesParts=/pins" in calls[2]
    # The versions that apt chose are asked for, not just the names.
    assert "bsdutils=1:2.41.5-0" in calls[1]
    assert [each.package.key for each in found] == [
        "bsdutils:amd64",
        "gcc-14-base:amd64",
        "libc6:amd64",
    ]
    bsdutils, gcc, libc = (each for each in found)
    assert (bsdutils.package.source, bsdutils.package.source_version) == ("util-linux", "2.41.5-0")
    assert bsdutils.package.origins == (
        "Debian:13.7/stable",
        "Debian-Security:13/stable-security",
    )
    assert bsdutils.paths == (
        "pool/main/u/util-linux/bsdutils.deb",
        "pool/updates/main/u/util-linux/bsdutils.deb",
    )
    assert (gcc.package.sha256, gcc.package.size) == ("aa", 50)
    assert libc.package.source_version == "2.41-12+deb13u4"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "E: Unable to locate package nanoo\nE: Unable to locate package vmi\n",
            "the archive has no such package: nanoo, vmi",
        ),
        (
            "E: Version '9' for 'nano' was not found\n"
            "E: Package 'mta' has no installation candidate\n"
            "E: Release 'sid' for 'nano' was not found\n",
            "the archive has no such package: nano, mta",
        ),
        (
            "The following packages have unmet dependencies:\n a : Conflicts: b\n",
            "apt cannot install the packages of this image together",
        ),
    ],
)
def test_what_apt_refuses(monkeypatch: pytest.MonkeyPatch, said: str, message: str) -> None:
    def fails(argv: list[str], **_more: Any) -> Completed:
        raise CommandError(Completed(tuple(argv), 100, said))

    monkeypatch.setattr(module, "run", fails)
    with pytest.raises(BuildError) as caught:
        predict(ROOT, ["nanoo", "vmi"])
    assert caught.value.message == message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("stanza", "source"),
    [
        ({}, ("nano", "8.4-1+b1")),
        ({"Source": "other"}, ("other", "8.4-1+b1")),
        ({"Source": "nano (8.4-1)"}, ("nano", "8.4-1")),
    ],
)
def test_source(stanza: dict[str, str], source: tuple[str, str]) -> None:
    assert source_of(Deb822({"Package": "nano", "Version": "8.4-1+b1", **stanza})) == source
