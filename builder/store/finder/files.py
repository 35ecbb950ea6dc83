# SPDX-License-Identifier: GPL-2.0-or-later
"""What the files beside an image are, by the ends of their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The first row that fits counts.
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Changelog", (".changelog.md", ".changelog.json", ".changelog.txt")),
    ("Packages", (".manifest", ".manifest.json")),
    ("SBOM", (".spdx.json", ".cdx.json", ".spdx", ".cdx.xml")),
    ("Digests", ("SUMS", "SUMS.gpg", "SUMS.asc")),
    ("Decision", (".decision.json",)),
    ("Reports", (".xml", ".html", ".boots.json", ".png")),
    ("Logs", (".log", ".log.gz", ".log.xz", ".log.zst")),
    ("About", ("README.md",)),
)
OTHER = "Other"
# Which of a build's files vouches for the list of digests.
SIGNATURES = ("SHA256SUMS.gpg", "SHA256SUMS.asc")


@dataclass(frozen=True)
class Group:
    """Files of one kind."""

    title: str
    names: tuple[str, ...]


def kind(name: str) -> str:
    """What kind of file has a name."""
    return next((title for title, ends in KINDS if name.endswith(ends)), OTHER)


def grouped(names: Iterable[str]) -> tuple[Group, ...]:
    """Files by kind, in the order of KINDS; within it by name."""
    found: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        found.setdefault(kind(name), []).append(name)
    titles = (*(title for title, _ in KINDS), OTHER)
    return tuple(Group(title, tuple(found[title])) for title in titles if title in found)
