# SPDX-License-Identifier: GPL-2.0-or-later
"""The changelog of an image: what differs between two builds of it, as a document.

The shape is that of Ubuntu's ubuntu-cloud-image-changelog: a `summary` of names, then `diff`,
`added` and `removed`, each by the kind of package (`deb`), with a `fromVersion`, a `toVersion`,
`isVersionDowngrade`, and the new entries of the changelog as `changes`. It differs where our facts
do:

- packages are source packages, with their `binaries`; Ubuntu repeats a source for each binary;
- what is fixed is in `advisories`, numbers only: names and severities of CVEs change later;
- `security` and `impact` say what an update means, which Ubuntu leaves to its readers;
- `closes` has bugs of Debian's tracker, where Ubuntu has Launchpad's; there are no snaps;
- both ends are objects (`fromImage`, `toImage`), since they say more than a serial;
- names are in camelCase, as in all of our documents;
- `configSpace`, `tool` and `suites` tell of what is no package.

After a change of the model: `python -m builder.manifest.schema changelog >
schema/changelog.schema.json`.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import NonNegativeInt

from builder.archive import debnews
from builder.manifest.decision import Advisory, Impact
from builder.manifest.diff import ChangeKind
from builder.manifest.parts import API_VERSION, Part, Serial, Series, Sha256, Text, Time

KIND: Final = "ImageChangelog"
ARCHIVE: Final = "archive"

FileChangeKind = Literal["added", "removed", "changed"]


class End(Part):
    """One of the two ends: a build, or what the archive would give."""

    name: Series
    """The image."""
    serial: Serial | Literal["archive"]
    """Which build; "archive" is what a build would get."""
    title: Text
    """The name for people."""
    date: Time | None
    """When it was built; of the archive, the date of its newest index."""


class Names(Part):
    """Source packages by what became of them."""

    added: tuple[Text, ...]
    removed: tuple[Text, ...]
    diff: tuple[Text, ...]


class Counts(Part):
    """How many source packages changed, and in which way."""

    added: NonNegativeInt
    removed: NonNegativeInt
    upgraded: NonNegativeInt
    downgraded: NonNegativeInt
    rebuilt: NonNegativeInt
    security: NonNegativeInt
    """How many of all these are known as security updates."""


class Summary(Part):
    """What changed, in names and in numbers."""

    deb: Names
    counts: Counts


class Binary(Part):
    """One binary package; a version is null on the side that does not have it."""

    name: Text
    arch: Text
    from_version: Text | None
    to_version: Text | None


class Entry(Part):
    """One entry of a Debian changelog, or of NEWS, as its maintainers wrote it."""

    package: Text
    """The source package."""
    version: Text
    distributions: str
    urgency: str
    author: str
    date: str
    """As it is written there."""
    log: tuple[str, ...]
    """Its lines; `  [...]` is where a long one was cut off."""
    cves: tuple[Text, ...]
    """The vulnerabilities that it names."""
    closes: tuple[NonNegativeInt, ...]
    """The bugs in Debian's tracker that it closes."""
    news: bool
    """Whether it is of NEWS.Debian: for people to read before they upgrade."""

    @classmethod
    def of(cls, entry: debnews.Entry) -> Entry:
        """The document's form of what a .deb says."""
        return cls(
            package=entry.source,
            version=entry.version,
            distributions=entry.distributions,
            urgency=entry.urgency,
            author=entry.author,
            date=entry.date,
            log=entry.lines,
            cves=entry.cves,
            closes=entry.bugs,
            news=entry.news,
        )


class SourcePackage(Part):
    """One source package that changed; a version is null on the side that does not have it."""

    name: Text
    """The source that people know: linux for linux-signed-amd64; the binary package where nobody
    tells its source."""
    kind: ChangeKind
    """ "rebuilt" has other binary packages of the same source version."""
    from_version: Text | None
    to_version: Text | None
    is_version_downgrade: bool
    security: bool
    """Whether a security archive has the change, or, where nobody tells which archive has it, an
    advisory names it."""
    impact: Impact | None
    """What an update in place needs beyond itself: a reboot, or a new instance."""
    advisories: tuple[Advisory, ...]
    """What it fixes, where the advisories are known."""
    binaries: tuple[Binary, ...]
    """The binary packages that changed."""
    changes: tuple[Entry, ...]
    """The new changelog entries, where they were asked for and a .deb was at hand."""


class Debs(Part):
    """Debian packages, by source."""

    deb: tuple[SourcePackage, ...]


class FileChange(Part):
    """One file of the config space."""

    path: Text
    overlay: Text
    """The folder that brings it, or brought it."""
    kind: FileChangeKind


class ConfigChange(Part):
    """The config space changed, or what else decides the image: its classes, size or sources."""

    from_digest: Sha256
    to_digest: Sha256
    files: tuple[FileChange, ...] | None
    """The files that differ, by path; null where one side's files are not known."""


class ToolChange(Part):
    """Another fai-forge."""

    from_version: Text
    to_version: Text


class SuiteChange(Part):
    """A suite with another Version in its Release file; null on the side that does not use it."""

    suite: Text
    from_version: str | None
    to_version: str | None


class ImageChangelog(Part):
    """What differs between two builds of an image."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["ImageChangelog"] = KIND
    from_image: End
    to_image: End
    summary: Summary
    sources_known: bool = True
    """Whether it is known from which source, and from which archive, each package is. Lists that
    others publish beside their images do not tell: there, a package stands for itself, advisories
    are those about a source of just its name, and more of it may be for security."""
    diff: Debs
    """What both sides have: upgraded, downgraded or rebuilt."""
    added: Debs
    removed: Debs
    config_space: ConfigChange | None
    """Null where it is the same."""
    tool: ToolChange | None
    """Null where it is the same."""
    suites: tuple[SuiteChange, ...]
    """Suites of the archive that changed, such as from 13.1 to 13.2: a point release."""

    @property
    def packages(self) -> tuple[SourcePackage, ...]:
        """All that changed, by name."""
        every = (*self.diff.deb, *self.added.deb, *self.removed.deb)
        return tuple(sorted(every, key=lambda each: each.name))

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.packages or self.config_space or self.tool or self.suites)
