# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the changelog of an image together: two sides, and what others know about each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from builder.archive import debnews
from builder.errors import UsageError
from builder.manifest.changelog import (
    Binary,
    ConfigChange,
    Counts,
    Debs,
    End,
    Entry,
    FileChange,
    FileChangeKind,
    ImageChangelog,
    Names,
    SourcePackage,
    SuiteChange,
    Summary,
    ToolChange,
)
from builder.manifest.decision import Advisory, Impact
from builder.manifest.diff import BinaryChange, ChangeKind, SourceChange, compare, told
from builder.manifest.imported import Document, Imported
from builder.manifest.model import ConfigFile
from builder.models import Package


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a build, or what a build would get (`serial` is "archive").

    `config` is the digest of the config space and `files` its files, None where they are not known;
    `suites` has the Version of each suite's Release file; `security`, by binary package, the
    versions that a security archive holds. Of an image that others built, config, tool and suites
    are empty. `release` are the distribution and its release.
    """

    name: str
    serial: str
    title: str
    date: datetime | None
    packages: tuple[Package, ...]
    config: str
    tool: str
    suites: Mapping[str, str]
    files: tuple[ConfigFile, ...] | None = None
    security: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    release: tuple[str, str] = ("", "")

    @classmethod
    def of(cls, manifest: Document) -> Side:
        """The side of a build, or of an image that others built and list the packages of.

        UsageError where nobody lists them: all packages would be told as removed.
        """
        if isinstance(manifest, Imported):
            return cls._listed(manifest)
        build = manifest.build
        return cls(
            name=manifest.name,
            serial=manifest.serial,
            title=manifest.title,
            date=build.date,
            packages=tuple(each.shared() for each in manifest.packages),
            config=build.config_space.digest,
            tool=build.tool_version,
            suites={each.suite: each.version for each in build.apt_sources},
            files=build.config_space.files,
            release=(manifest.distro, manifest.release),
        )

    @classmethod
    def _listed(cls, manifest: Imported) -> Side:
        if not manifest.packages:
            raise UsageError(
                f"nobody lists the packages of {manifest.name}-{manifest.serial}",
                hint=f"its makers ({manifest.origin.url}) publish no list, or it was not read",
            )
        return cls(
            name=manifest.name,
            serial=manifest.serial,
            title=manifest.title,
            date=manifest.origin.date,
            packages=tuple(each.shared() for each in manifest.packages),
            config="",
            tool="",
            suites={},
            release=(manifest.distro, manifest.release),
        )

    @property
    def built(self) -> bool:
        """Whether fai-forge builds it, and knows from what."""
        return bool(self.config)

    @property
    def end(self) -> End:
        """What the document says of it."""
        return End.model_validate(
            {"name": self.name, "serial": self.serial, "title": self.title, "date": self.date}
        )


def changelog(
    old: Side,
    new: Side,
    *,
    impact: Callable[[str], Impact | None],
    fixes: Callable[[SourceChange], tuple[Advisory, ...]] = lambda _: (),
    news: Callable[[SourceChange], tuple[debnews.Entry, ...]] = lambda _: (),
) -> ImageChangelog:
    """The document about two sides.

    `impact` says what an update of a source needs to take effect, `fixes` what it fixes, `news`
    which entries of its changelog are new.
    """
    before, after = old.packages, new.packages
    if old.release == new.release:
        before, after = told(before, after), told(after, before)
    changes = compare(before, after, new.security)
    packages = [_package(change, impact, fixes, news) for change in changes]
    both = old.built and new.built
    # Of a package whose archive nobody knows, an advisory tells.
    if not both:
        packages = [
            each.model_copy(update={"security": each.security or bool(each.advisories)})
            for each in packages
        ]
    added, removed = (_of(packages, kind) for kind in ("added", "removed"))
    diff = _of(packages, "upgraded", "downgraded", "rebuilt")
    count = Counter(each.kind for each in packages)
    return ImageChangelog(
        from_image=old.end,
        to_image=new.end,
        summary=Summary(
            deb=Names(added=_names(added), removed=_names(removed), diff=_names(diff)),
            counts=Counts(
                added=count["added"],
                removed=count["removed"],
                upgraded=count["upgraded"],
                downgraded=count["downgraded"],
                rebuilt=count["rebuilt"],
                security=sum(each.security for each in packages),
            ),
        ),
        sources_known=both,
        diff=Debs(deb=diff),
        added=Debs(deb=added),
        removed=Debs(deb=removed),
        config_space=_config(old, new) if both else None,
        tool=ToolChange(from_version=old.tool, to_version=new.tool)
        if both and old.tool != new.tool
        else None,
        suites=tuple(_suites(old.suites, new.suites)) if both else (),
    )


def _package(
    change: SourceChange,
    impact: Callable[[str], Impact | None],
    fixes: Callable[[SourceChange], tuple[Advisory, ...]],
    news: Callable[[SourceChange], tuple[debnews.Entry, ...]],
) -> SourcePackage:
    return SourcePackage(
        name=change.name,
        kind=change.kind,
        from_version=change.old,
        to_version=change.new,
        is_version_downgrade=change.kind == "downgraded",
        security=change.security,
        # What comes or goes with an image asks nothing of a machine that runs an older one.
        impact=impact(change.name) if change.old and change.new else None,
        advisories=fixes(change),
        binaries=tuple(_binary(each) for each in change.binaries),
        changes=tuple(Entry.of(each) for each in news(change)),
    )


def _binary(change: BinaryChange) -> Binary:
    return Binary(
        name=change.name, arch=change.arch, from_version=change.old, to_version=change.new
    )


def _of(packages: Iterable[SourcePackage], *kinds: ChangeKind) -> tuple[SourcePackage, ...]:
    return tuple(each for each in packages if each.kind in kinds)


def _names(packages: Iterable[SourcePackage]) -> tuple[str, ...]:
    return tuple(each.name for each in packages)


def _config(old: Side, new: Side) -> ConfigChange | None:
    if old.config == new.config:
        return None
    files = None
    if old.files is not None and new.files is not None:
        files = tuple(_files(old.files, new.files))
    return ConfigChange(from_digest=old.config, to_digest=new.config, files=files)


def _files(old: Iterable[ConfigFile], new: Iterable[ConfigFile]) -> Iterable[FileChange]:
    """What became of each file; one that another overlay brings changed."""
    before, after = ({each.path: each for each in files} for files in (old, new))
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one == other:
            continue
        kind: FileChangeKind = "changed" if one and other else "added" if other else "removed"
        known = other or one
        assert known is not None
        yield FileChange(path=path, overlay=known.overlay, kind=kind)


def _suites(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[SuiteChange]:
    """Suites that came, went, or have another Version; one that has none on a side is equal."""
    for suite in sorted(old.keys() | new.keys()):
        before, after = old.get(suite), new.get(suite)
        if None in (before, after) or (before != after and before and after):
            yield SuiteChange(suite=suite, from_version=before, to_version=after)


def news_of(
    shelf: debnews.Shelf, packages: Iterable[Package]
) -> Callable[[SourceChange], tuple[debnews.Entry, ...]]:
    """What finds new changelog entries in the .debs of the new side's `packages`, where at hand.

    Of what was not there before, or goes down, no entry is new.
    """
    known = {package.key: package for package in packages}

    def of(change: SourceChange) -> tuple[debnews.Entry, ...]:
        if change.old is None or change.new is None or change.kind == "downgraded":
            return ()
        present = (each for each in change.binaries if each.new)
        found = ((each, shelf.find(known[f"{each.name}:{each.arch}"])) for each in present)
        debs = [debnews.Deb(each.name, path, each.old) for each, path in found if path]
        return debnews.entries(debs, change.old)

    return of
