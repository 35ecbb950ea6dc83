# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading what apt would download: which packages, which versions, from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Deb822

from builder.archive import predict as module
from builder.archive.aptroot import AptRoot
from builder.archive.predict import predict, source_of
from builder.errors import BuildError, InfrastructureError
from builder.models import AptSource
from builder.run import CommandError, Completed

ROOT = AptRoot(Path("/apt"), "amd64", ())
RELEASES = (
    AptSource(
        "http://me:secret@x.invalid/debian",
        "trixie",
        ("main",),
        label="Debian",
        version="13.7",
        archive="stable",
    ),
    AptSource(
        "http://x.invalid/debian-security",
        "trixie-security",
        ("main",),
        label="Debian-Security",
        version="13",
        archive="stable-security",
    ),
)
# As apt 2.6 and 3.0 print it.
CHOSEN = """\
Reading package lists...
The following NEW packages will be installed:
  gcc-14-base libc6 bsdutils
'http://x.invalid/debian/pool/main/g/gcc-14/gcc-14-base_14.2.0-19_amd64.deb' \
gcc-14-base_14.2.0-19_amd64.deb 49400 MD5Sum:5de34f9768b5d34fb54eebafbd94bdba
'http://x.invalid/debian/pool/main/g/glibc/libc6_2.41-12%2bdeb13u4_amd64.deb' \
libc6_2.41-12+deb13u4_amd64.deb 2847
'http://x.invalid/debian/pool/main/u/util-linux/bsdutils_2.41.5-0_amd64.deb' \
bsdutils_1%3a2.41.5-0_amd64.deb 104
"""
PLACES = """\
  bsdutils | 1:2.41.5-0 | http://x.invalid/debian trixie/main amd64 Packages
  bsdutils | 1:2.41.5-0 | http://x.invalid/debian-security trixie-security/main amd64 Packages
     libc6 | 2.41-12+deb13u4 | http://x.invalid/debian trixie/main amd64 Packages
     libc6 | 2.41-12+deb13u3 | http://x.invalid/debian-security trixie-security/main amd64 Packages
gcc-14-base | 14.2.0-19 | http://x.invalid/debian trixie/main amd64 Packages
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
Essential: yes
Version: 1:2.41.5-0
Architecture: amd64
Source: util-linux (2.41.5-0)
Size: 100
SHA256: bb
Filename: pool/main/u/util-linux/bsdutils.deb

Package: bsdutils
Essential: yes
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


def test_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def answers(argv: list[str], **_more: Any) -> Completed:
        calls.append(argv)
        said = {"show": SHOWN, "madison": PLACES}.get(argv[1], CHOSEN)
        return Completed(tuple(argv), 0, said)

    monkeypatch.setattr(module, "run", answers)
    monkeypatch.setattr(AptRoot, "releases", lambda _root: RELEASES)
    found = predict(ROOT, ["nano"], recommends=True)
    assert calls[0][-4:] == ["?essential", "?priority(required)", "apt", "nano"]
    assert "APT::Install-Recommends=true" in calls[0]
    assert not any("Preferences" in word for word in calls[0])
    predict(ROOT, ["libc6/trixie"], preferences=Path("/pins"))
    assert "Dir::Etc::PreferencesParts=/pins" in calls[3]
    # The versions that apt chose are asked for, not just the names.
    assert "bsdutils=1:2.41.5-0" in calls[2]
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
    # The fix that is in this version came out before as an update of its own.
    assert (libc.package.origins, libc.security) == (("Debian:13.7/stable",), ("2.41-12+deb13u3",))
    assert (bsdutils.security, gcc.security) == (("1:2.41.5-0",), ())
    assert [each.package.essential for each in found] == [True, False, False]
    assert [each.package.auto for each in found] == [False, True, True]
    assert not predict(ROOT, ["libc6/trixie"])[2].package.auto


def test_a_version_from_nowhere_is_no_ordinary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its origin could be the security archive: nothing is decided without knowing."""

    def answers(argv: list[str], **_more: Any) -> Completed:
        return Completed(tuple(argv), 0, PLACES if argv[1] == "madison" else CHOSEN)

    monkeypatch.setattr(module, "run", answers)
    monkeypatch.setattr(AptRoot, "releases", lambda _root: RELEASES[:1])
    with pytest.raises(InfrastructureError, match=r"which is none of the image.s sources"):
        predict(ROOT, [])


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
