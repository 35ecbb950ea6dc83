# SPDX-License-Identifier: GPL-2.0-or-later
"""The versions that an index has of one image, and which of them is the newest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from builder.checksums import Checksum
from builder.downloads.session import Login
from builder.imports import versions
from builder.manifest.model import Package
from builder.upstream.series import Series

# What no version is, whatever a pattern takes.
WORDS: Final = re.compile(r"(?i)latest|current|newest")
# What makers call versions that are not finished, as a word of its own: 9.8-BETA, 44_Beta-1.3, RC2.
UNFINISHED: Final = re.compile(r"(?i)(?<![a-z])(?:alpha|beta|preview|rc)(?![a-z])")


class Told(NamedTuple):
    """What names tell of a version, by the groups of a pattern; in the order in which it counts."""

    version: str = ""
    date: str = ""
    respin: str = ""


@dataclass(frozen=True)
class Candidate:
    """One version: its image's file and where that is.

    `version`, `date` and `respin` are as its makers write them, empty where they say nothing;
    `modified` is when it was made or changed, as far as the index tells. `checksum` is there where
    the index has it, and `vouched` then says what vouches for it. `packages` are as the index lists
    them. `login` is what the server of `url` wants, and nobody else may see.
    """

    file: str
    url: str
    version: str = ""
    date: str = ""
    respin: str = ""
    modified: datetime | None = None
    size: int | None = None
    checksum: Checksum | None = None
    vouched: str = ""
    packages: tuple[Package, ...] = ()
    login: Login | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """What its makers call this version."""
        return "-".join(filter(None, (self.version, self.date))) + (
            f".{self.respin}" if self.respin else ""
        )

    def beside(self, name: str) -> str:
        """The URL of another file in the image's folder."""
        return f"{self.url.rpartition('/')[0]}/{name}"

    @property
    def words(self) -> Mapping[str, str]:
        """What templates know of it; see `Series.fill`."""
        return {
            "file": self.file,
            "stem": self.file.rpartition(".")[0],
            "version": self.version,
            "date": self.date,
            "respin": self.respin,
        }

    @property
    def order(self) -> tuple[object, ...]:
        """What versions sort by: numbers count as numbers."""
        told = tuple(versions.key(each) for each in (self.version, self.date, self.respin))
        # By the name in the end: two files of one version must not take turns.
        return (*told, self.modified.timestamp() if self.modified else 0.0, self.file)

    @property
    def serial(self) -> str | None:
        """The serial in our stores; None where nobody tells a day."""
        if self.date:
            return versions.serial(f"{self.date}.{self.respin}" if self.respin else self.date)
        return versions.serial(self.version, self.modified)


def told(series: Series, file: str, *folders: Mapping[str, str]) -> Told | None:
    """What an image's name tells of its version, by the groups of the series' pattern.

    `folders` are what folders above it tell. None for another file, and for a word such as latest.
    """
    found = series.pattern(series.traits.file or "").fullmatch(file)
    if found is None:
        return None
    words = {key: text for each in folders for key, text in each.items() if text}
    words |= {key: text for key, text in found.groupdict().items() if text}
    if any(WORDS.search(text) for text in words.values()):
        return None
    return Told(**{group: words.get(group, "") for group in Told._fields})


def is_finished(text: str, beta: bool = False) -> bool:
    """Whether a name says nothing of a version that is not finished; with `beta` all of them do."""
    return beta or UNFINISHED.search(text) is None


def newest(found: Iterable[Candidate]) -> Candidate | None:
    """The newest of some versions; None where there is none."""
    return max(found, key=lambda each: each.order, default=None)
