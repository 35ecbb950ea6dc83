# SPDX-License-Identifier: GPL-2.0-or-later
"""Signed source packages and the ones they are made of."""

from __future__ import annotations

import pytest

from builder.archive.twins import canonical

# Names and versions as the archives of Debian 12, 13 and 14 and Ubuntu 24.04 and 26.04 have them.
TWINS = [
    ("linux-signed-amd64", "6.12.107+1", "linux", "6.12.107-1"),
    ("linux-signed-arm64", "6.1.192+2", "linux", "6.1.192-2"),
    ("linux-signed-amd64", "6.12.43+1~bpo12+1", "linux", "6.12.43-1~bpo12+1"),
    ("linux-signed-amd64", "7.0~rc5+1~exp1", "linux", "7.0~rc5-1~exp1"),
    ("linux-signed-6.12-arm64", "6.12.115+2~deb12u1", "linux-6.12", "6.12.115-2~deb12u1"),
    ("grub-efi-amd64-signed", "1+2.12+9+deb13u2", "grub2", "2.12-9+deb13u2"),
    ("grub-efi-arm64-signed", "1+2.12+1~bpo12+1", "grub2", "2.12-1~bpo12+1"),
    ("grub-efi-amd64-signed", "1+2.02+dfsg1+20+deb10u4", "grub2", "2.02+dfsg1-20+deb10u4"),
    ("fwupd-amd64-signed", "1:1.7+1", "fwupd-efi", "1:1.7-1"),
    ("shim-helpers-arm64-signed", "1+16.1+2~deb12u1", "shim", "16.1-2~deb12u1"),
    ("systemd-boot-efi-amd64-signed", "257.13+1~deb13u1", "systemd", "257.13-1~deb13u1"),
    ("linux-signed", "6.8.0-71.71", "linux", "6.8.0-71.71"),
    ("linux-main-signed", "7.0.0-44.44", "linux", "7.0.0-44.44"),
    ("linux-signed-hwe-6.14", "6.14.0-37.37~24.04.1", "linux-hwe-6.14", "6.14.0-37.37~24.04.1"),
]
# What is no twin, or of a version from which nothing can be told.
OTHERS = [
    ("linux", "6.12.107-1"),
    ("shim-signed", "1.51~1+deb13u1"),
    ("grub2-signed", "1.202.5"),
    ("grub-efi-amd64-signed", "2.12"),
    ("linux-signed-amd64", "6.12.107"),
    ("linux-signed-amd64", "6.12.107-1"),
    ("python-signedjson", "1.1.4-2"),
    ("rust-unsigned-varint", "0.8.0-1"),
    ("linux-signed-amd64", ""),
    ("linux-signed-", "1"),
]


@pytest.mark.parametrize(("source", "version", "known", "known_version"), TWINS)
def test_a_twin_is_what_it_was_made_of(
    source: str, version: str, known: str, known_version: str
) -> None:
    assert canonical(source, version) == (known, known_version)


@pytest.mark.parametrize(("source", "version"), OTHERS)
def test_anything_else_stays_as_it_is(source: str, version: str) -> None:
    assert canonical(source, version) == (source, version)


@pytest.mark.parametrize(("source", "version"), [row[2:] for row in TWINS])
def test_a_source_that_people_know_is_its_own(source: str, version: str) -> None:
    assert canonical(source, version) == (source, version)
