# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of a build as pydantic models: the document that says what an image is made of.

JSON has camelCase names, Python snake_case ones. Lists that have no order of their own are sorted
here, so that the same facts always give the same text; `builder.manifest.document` reads and
writes it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, NonNegativeInt

from builder import models
from builder.manifest.decision import Decision
from builder.manifest.parts import (
    API_VERSION,
    Commit,
    FileName,
    Part,
    Serial,
    Series,
    Sha256,
    Sha512,
    Text,
    Time,
)

KIND: Final = "ImageManifest"


class FaiClass(Part):
    """One FAI class of the build."""

    name: Text
    """The class as FAI knows it, such as DEBIAN."""
    overlay: Text
    """The folder that brought it: "DEBIAN" of the project itself, "LABEL/DEBIAN" of an overlay from
    outside; "base" is the base config space."""


class ConfigFile(Part):
    """One file of the merged config space."""

    path: Text
    """Its path in the config space."""
    overlay: Text
    """The folder that brought it, as in `classes`; "base" is the base config space."""
    sha256: Sha256
    """The digest of its content."""


class ConfigSpace(Part):
    """The config space that FAI was given."""

    digest: Sha256
    """One digest over all paths, modes and contents."""
    files: Annotated[
        tuple[ConfigFile, ...],
        AfterValidator(lambda files: tuple(sorted(files, key=lambda file: file.path))),
    ]
    """Every file, by path."""


class SourceCommit(Part):
    """The git commit that an overlay, or the base, was at."""

    overlay: Text
    """The overlay from outside, by its label; "base" is the project: the base config space, its
    classes, and fai-forge itself."""
    commit: Commit | None
    """The commit, or null where the overlay is not in a git repository."""
    dirty: bool
    """Whether there were changes that no commit holds."""
    origin: Text | None = None
    """The folder or the URL that it came from, without secrets; null for the project."""


class AptSource(Part):
    """One suite of an archive as it was when the image was built."""

    suite: Text
    """The suite, such as trixie-security."""
    components: tuple[Text, ...]
    """The components used, such as main."""
    origin: str
    """The Release file's Origin."""
    label: str
    """The Release file's Label."""
    in_release_sha256: Sha256 | None
    """The digest of the InRelease file that vouched for the packages."""
    date: Time | None
    """The Release file's Date."""
    version: str = ""
    """The Release file's Version, such as 13.2: a point release; empty where it has none."""
    uri: Text | None = None
    """Where it is, if a class names it; null for a mirror that the build machine chose."""

    @classmethod
    def of(cls, source: models.AptSource, *, keep_uri: bool = False) -> AptSource:
        """The document's entry of a source; its URI only where a class chose it, not a machine."""
        return cls(
            suite=source.suite,
            components=source.components,
            origin=source.origin,
            label=source.label,
            in_release_sha256=source.digest or None,
            date=source.date,
            version=source.version,
            uri=source.uri if keep_uri else None,
        )


class ToolPackage(Part):
    """One package of the tools tree."""

    name: Text
    version: Text


class ToolsTree(Part):
    """The programs that decided the image's bytes."""

    digest: Sha256
    """The digest of the tools tree's package list."""
    packages: Annotated[
        tuple[ToolPackage, ...],
        AfterValidator(lambda packages: tuple(sorted(packages, key=lambda each: each.name))),
    ]
    """Its packages, by name."""


class Host(Part):
    """The machine that built it; it has no say in the image's bytes."""

    debian_version: Text
    """Its /etc/debian_version."""
    kernel: Text
    """Its kernel's release."""


class Build(Part):
    """How, when and from what the image was built."""

    tool_version: Text
    """The version of fai-forge."""
    fai_version: Text
    """The version of FAI."""
    source_date_epoch: NonNegativeInt
    """The time that the image's files carry, in seconds since 1970."""
    date: Time
    """When it was built."""
    job_link: Text | None = None
    """The CI job that built it."""
    command: Text
    """The command that builds it again."""
    config_space: ConfigSpace
    commits: tuple[SourceCommit, ...]
    """The base's commit and those of the overlays."""
    apt_sources: tuple[AptSource, ...]
    tools_tree: ToolsTree
    emulator: Text | None = None
    """What ran the image's programs, where they are of another architecture than the host's."""
    host: Host | None = None


class Package(Part):
    """One installed package."""

    name: Text
    version: Text
    arch: Text
    source: str
    """Its source package; empty where nobody tells it, as in lists that others publish."""
    source_version: str
    """The version of its source package; empty as above."""
    multi_arch: Literal["no", "same", "foreign", "allowed"] = "no"
    """dpkg's Multi-Arch field."""
    origins: Annotated[tuple[str, ...], AfterValidator(lambda origins: tuple(sorted(origins)))]
    """The archives that hold this version, as Label:suite."""
    in_stable: bool | None
    """Whether the stable release has this version; null where nobody looked."""
    auto: bool
    """Whether it was installed only because another package depends on it."""

    @classmethod
    def listed(cls, name: str, version: str, arch: str) -> Package:
        """A package of a list that says no more of it, such as others publish beside images."""
        return cls(
            name=name,
            version=version,
            arch=arch,
            source="",
            source_version="",
            origins=(),
            in_stable=None,
            auto=False,
        )

    def shared(self) -> models.Package:
        """The same as the rooms' shared dataclass."""
        return models.Package(
            name=self.name,
            version=self.version,
            arch=self.arch,
            source=self.source,
            source_version=self.source_version,
            auto=self.auto,
            origins=self.origins,
        )


class File(Part):
    """One file that was built."""

    name: FileName
    format: Text
    size: NonNegativeInt
    """In bytes."""
    sha256: Sha256
    sha512: Sha512
    reproducible: bool
    """Whether a second build gives the same bytes."""


class Verdict(Part):
    """What one check, or one boot, found."""

    name: Text
    """The check, or the firmware that was booted."""
    verdict: Literal["passed", "failed"]
    detail: str = ""
    """What was found, in one line."""
    log: FileName | None = None
    """The file beside the manifest that tells more."""


def _known(packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """By name; a build knows the source of each of its packages."""
    if any(not each.source or not each.source_version for each in packages):
        raise ValueError("a package without its source")
    return tuple(sorted(packages, key=lambda each: (each.name, each.arch)))


class Manifest(Part):
    """What is in one build of an image, how it was built, and what was found when it was tried."""

    api_version: Literal["fai-forge/v1"] = API_VERSION
    kind: Literal["ImageManifest"] = KIND
    name: Series
    """The series: the image's name without its serial."""
    serial: Serial
    """Which build of the series: the day, then .1, .2 for more on that day."""
    title: Text
    """The name for people, such as Debian 13 (trixie)."""
    distro: Text
    release: Text
    codename: str
    """The release's codename; empty where it has none."""
    arch: Text
    """Debian's name of the architecture."""
    roles: tuple[Text, ...]
    classes: tuple[FaiClass, ...]
    """FAI's classes, the most specific last."""
    build: Build
    packages: Annotated[tuple[Package, ...], AfterValidator(_known)]
    """Every installed package, by name."""
    installed_bytes: NonNegativeInt | None = None
    """What the files of the tree take on the disk; null where nobody measured."""
    files: Annotated[
        tuple[File, ...],
        AfterValidator(lambda files: tuple(sorted(files, key=lambda file: file.name))),
    ]
    """Every file that was built, by name."""
    checks: tuple[Verdict, ...] = ()
    """What the checks of the finished tree found."""
    boots: tuple[Verdict, ...] = ()
    """What the live boots found."""
    decision: Decision | None = None
    """Why it was built, or null where a person asked for it."""
