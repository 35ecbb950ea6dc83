# SPDX-License-Identifier: GPL-2.0-or-later
"""Signed twins: source packages that hold another's binaries again, signed for Secure Boot.

Debian makes linux-signed-amd64 from a template that linux builds, and Ubuntu makes linux-signed;
people and advisories know only linux. The version says which of linux's versions it is.

shim-signed is no twin: its source version does not say which shim is in it, and its signature
comes when Microsoft gives it, not with shim's own upload.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# What Debian's code signing builds for.
ARCH = "(?:amd64|arm64|i386)"
TEMPLATED = re.compile(r"(\d[^-]*?)\+(\d[^-]*)")


@dataclass(frozen=True)
class Twins:
    """A family of signed source packages.

    `pattern` is the names' pattern, `source` the name it expands to, `version` gives the version
    of that source, or None where the text is not one that the family uses.
    """

    pattern: re.Pattern[str]
    source: str
    version: Callable[[str], str | None]


def canonical(source: str, version: str) -> tuple[str, str]:
    """The source package that people know, and its version; anything else is given back as it is.

    >>> canonical("linux-signed-amd64", "6.12.43+1~bpo12+1")
    ('linux', '6.12.43-1~bpo12+1')
    """
    for row in TABLE:
        match = row.pattern.fullmatch(source)
        known = row.version(version) if match else None
        if match and known:
            return match.expand(row.source), known
    return source, version


def _templated(version: str) -> str | None:
    """A template's version has a + for the dash: 6.12.57+1 is 6.12.57-1.

    A + before something else than a digit belongs to upstream's version, as in 2.02+dfsg1+20.
    """
    match = TEMPLATED.fullmatch(version)
    return f"{match[1]}-{match[2]}" if match else None


def _numbered(version: str) -> str | None:
    """As _templated, after a number of the template's own: 1+2.12+9 is 2.12-9."""
    match = re.fullmatch(r"\d+\+(\d.*)", version)
    return _templated(match[1]) if match else None


def _same(version: str) -> str | None:
    return version


# The first row that has the name and understands the version holds.
TABLE = (
    Twins(re.compile(rf"linux-signed(-\d[\d.]*)?-{ARCH}"), r"linux\1", _templated),
    Twins(re.compile(rf"systemd-boot-efi-{ARCH}-signed"), "systemd", _templated),
    Twins(re.compile(rf"fwupd-{ARCH}-signed"), "fwupd-efi", _templated),
    Twins(re.compile(rf"grub-efi-{ARCH}-signed"), "grub2", _numbered),
    Twins(re.compile(rf"shim-helpers-{ARCH}-signed"), "shim", _numbered),
    # Ubuntu's: linux-signed-hwe-6.14 is linux-hwe-6.14, of the same version.
    Twins(re.compile(r"linux(?:-main)?-signed((?:-(?!amd64|arm64|i386).+)?)"), r"linux\1", _same),
)
