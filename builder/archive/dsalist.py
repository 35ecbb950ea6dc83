# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of Debian's security advisories, `data/DSA/list` of the security tracker.

    [29 Mar 2023] DSA-5380-1 xorg-server - security update
        {CVE-2023-1393}
        [bullseye] - xorg-server 2:1.20.11-1+deb11u6

The list of the LTS team's advisories, `data/DLA/list`, has the same form. Both go back twenty
years and were written by hand: a line that says nothing of a fixed version is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from builder.errors import ForgeError

HEADER = re.compile(r"\[\d\d [A-Z][a-z]{2} \d{4}\] (D[SL]A-\d+(?:-\d+)?)\s.*", re.ASCII)
CVES = re.compile(r"\s+\{(.*)\}\s*", re.ASCII)
CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.ASCII)
# A package may also have <not-affected> or the like where the version is.
FIXED = re.compile(
    r"\s+\[([a-z]+)\]\s+-\s+([a-z0-9][a-z0-9.+-]*)\s+(\d[A-Za-z0-9.+:~-]*)(?:\s.*)?", re.ASCII
)


@dataclass(frozen=True)
class Fixed:
    """The version of a source package that no longer has the holes, in one release."""

    codename: str
    source: str
    version: str


@dataclass(frozen=True)
class Dsa:
    """One advisory. A regression update often has no CVEs, and an announcement fixes nothing."""

    id: str
    cves: tuple[str, ...]
    fixed: tuple[Fixed, ...]


def parse(content: bytes) -> tuple[Dsa, ...]:
    """All advisories of a list, in its order: the newest first.

    Raises ForgeError if there is none in it, or if it is no text.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _foreign("this is not UTF-8 text") from error
    entries: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        header = HEADER.fullmatch(line)
        if header:
            entries.append((header[1], []))
        elif entries:
            entries[-1][1].append(line)
    if not entries:
        raise _foreign("there is no security advisory in it")
    return tuple(_advisory(number, lines) for number, lines in entries)


def _advisory(number: str, lines: list[str]) -> Dsa:
    cves = [cve for line in lines if (match := CVES.fullmatch(line)) for cve in match[1].split()]
    fixed = [Fixed(*match.groups()) for line in lines if (match := FIXED.fullmatch(line))]
    return Dsa(
        number,
        tuple(cve for cve in dict.fromkeys(cves) if CVE.fullmatch(cve)),
        tuple(dict.fromkeys(fixed)),
    )


def _foreign(sentence: str) -> ForgeError:
    return ForgeError(sentence, hint="advisories.dsa is data/DSA/list of the security tracker")
