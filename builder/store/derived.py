# SPDX-License-Identifier: GPL-2.0-or-later
"""What follows from a store's index, for readers who know nothing of it: streams and web pages.

It is written after the index and never believed by us. What is there already is not written again:
a series' page only where that series changed, by the marks that the last writer left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from builder.errors import ForgeError
from builder.manifest.changelog import ImageChangelog
from builder.store import fetching, reading
from builder.store.finder import pages
from builder.store.finder.facts import BuildFacts, StoreFacts, Why
from builder.store.finder.model import PAGE
from builder.store.gathering import SIGNATURES
from builder.store.index import SUMS, Build, Digest, SeriesEntry, StoreIndex, folder
from builder.store.keys import Signs
from builder.store.place import Place
from builder.store.simplestreams import streams

# Which state of each series its page shows; readers have no use for it.
MARKS: Final = "pages.json"
# Bytes of the marks; those of 10,000 series take 1 MB.
LARGEST: Final = 64 << 20
CHANGELOG: Final = ".changelog.json"


@dataclass(frozen=True)
class Derived:
    """Writes all that follows from an index into its store.

    `policies` and `decisions` are by series, for the pages; `kept` is a folder for documents that
    were read, by their digests.
    """

    place: Place
    signer: Signs
    kept: Path
    policies: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, Why] = field(default_factory=dict)

    def write(self, index: StoreIndex) -> None:
        """Write what is not there, or is about an older index."""
        self._streams(index)
        self._pages(index)

    def _streams(self, index: StoreIndex) -> None:
        plain = streams(index)
        # A new signature of the same text would be another file.
        if not all(fetching.holds(self.place, path, content) for path, content in plain):
            for path, content in streams(index, self.signer.clearsigned):
                self.place.write(path, content)

    def _pages(self, index: StoreIndex) -> None:
        facts = StoreFacts(
            self.policies, self.decisions, _Builds(self.place, self.kept, index.series)
        )
        was, marks = self._marks(), {each.name: self._mark(each) for each in index.series}
        for entry in index.series:
            path = f"{entry.name}/{PAGE}"
            if was.get(entry.name) != marks[entry.name] or self.place.size(path) is None:
                self.place.write(path, pages.render_series(entry, facts))
        first = (PAGE, pages.render_index(index, facts, index.date))
        for path, content in (*pages.assets(), first):
            if not fetching.holds(self.place, path, content):
                self.place.write(path, content)
        if was != marks:
            self.place.write(MARKS, (json.dumps(marks, indent=1) + "\n").encode())

    def _mark(self, entry: SeriesEntry) -> str:
        """The digest of all that a series' page shows."""
        known = (self.policies.get(entry.name), self.decisions.get(entry.name))
        parts = (pages.look(), entry.model_dump_json(), repr(known))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _marks(self) -> dict[str, str]:
        try:
            found = json.loads(fetching.small(self.place, MARKS, LARGEST))
        except (FileNotFoundError, ValueError, fetching.WrongContent):
            return {}
        return found if isinstance(found, dict) else {}


class _Builds(Mapping[str, BuildFacts]):
    """The facts of each build by its folder, read when they are asked for."""

    def __init__(self, place: Place, kept: Path, series: Iterable[SeriesEntry]) -> None:
        self._place = place
        self._kept = kept
        self._series = series

    @cached_property
    def _builds(self) -> dict[str, tuple[str, Build]]:
        return {
            folder(entry.name, build): (entry.name, build)
            for entry in self._series
            for build in entry.builds
        }

    def __getitem__(self, path: str) -> BuildFacts:
        name, build = self._builds[path]
        text = self._read(path, build.manifest).decode(errors="replace")
        manifest = reading.parse_described(text, name, build, path)
        if build.state == "removed":
            return BuildFacts.of(manifest, ())
        sums = reading.parse_sums(self._read(path, build.sums).decode(errors="replace"), path)
        files = (*sums, *SUMS, *SIGNATURES)
        return BuildFacts.of(manifest, files, self._changes(path, f"{name}-{build.serial}", sums))

    def __iter__(self) -> Iterator[str]:
        return iter(self._builds)

    def __len__(self) -> int:
        return len(self._builds)

    def _changes(self, path: str, stem: str, sums: Mapping[str, str]) -> str:
        """The changelog in one line; empty where there is none that can be read."""
        name = stem + CHANGELOG
        size = self._place.size(f"{path}/{name}") if name in sums else None
        if size is None:
            return ""
        wanted = Digest(name=name, size=size, sha256=sums[name])
        try:
            changelog = ImageChangelog.model_validate_json(self._read(path, wanted))
        except (ForgeError, ValueError):
            return ""
        counts = changelog.summary.counts
        changed = len(changelog.packages)
        security = f", {counts.security} of them for security" if counts.security else ""
        what = "source packages" if changelog.sources_known else "packages"
        return f"{changed} {what} changed{security}" if changed else "no package changed"

    def _read(self, path: str, wanted: Digest) -> bytes:
        """A file of a build, verified; what was read once is kept."""
        return fetching.kept(self._place, f"{path}/{wanted.name}", wanted, self._kept)
