# SPDX-License-Identifier: GPL-2.0-or-later
"""A published image and what a build would get now, in which a test changes what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from builder import models
from builder.errors import ForgeError
from builder.manifest import model
from builder.policy.facts import Facts, Prospect
from tests.unit.test_manifest_diff import kernel, package

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
# What is published, by binary package. libxml2 and the glibc there came as security updates, and
# of the sources only linux, openssh, dbus, cloud-init and glibc are in images.yaml's `impact`.
PUBLISHED = {
    each.name: each
    for each in map(
        package,
        [
            *kernel("6.12.48-1"),
            "openssh-server 1:10.0p1-7 source=openssh",
            "openssh-client 1:10.0p1-7 source=openssh",
            "dbus 1.16.2-2",
            "cloud-init 25.1.4-1",
            "libc6 2.41-12+deb13u1 source=glibc security",
            "libxml2 2.12.7-2 security",
            "tzdata 2025a-1",
            "zlib1g 1:1.3-1 source=zlib",
        ],
    )
}
# The suites: name, label, Version.
MAIN = ("trixie", "Debian", "13.2")
UPDATES = ("trixie-updates", "Debian", "13-updates")
SECURITY = ("trixie-security", "Debian-Security", "13")


def source(suite: tuple[str, str, str], date: datetime | None = NOW) -> models.AptSource:
    name, label, version = suite
    return models.AptSource(
        uri="http://mirror.invalid/debian",
        suite=name,
        components=("main",),
        origin="Debian",
        label=label,
        digest="f" * 64,
        date=date,
        version=version,
    )


def manifest(
    packages: Iterable[models.Package], date: datetime, suites: Iterable[models.AptSource]
) -> model.Manifest:
    """The published build, made at `date`."""
    return model.Manifest(
        name="debian-13",
        serial=f"{date:%Y%m%d}",
        title="Debian 13 (trixie)",
        distro="debian",
        release="13",
        codename="trixie",
        arch="amd64",
        roles=(),
        classes=(),
        build=model.Build(
            tool_version="0.1.0",
            fai_version="6.4.3",
            source_date_epoch=0,
            date=date,
            command="fai-forge build debian-13",
            config_space=model.ConfigSpace(digest="c" * 64, files=()),
            commits=(),
            apt_sources=tuple(map(model.AptSource.of, suites)),
            tools_tree=model.ToolsTree(digest="1" * 64, packages=()),
        ),
        packages=tuple(
            model.Package(
                name=each.name,
                version=each.version,
                arch=each.arch,
                source=each.source,
                source_version=each.source_version,
                origins=each.origins,
                in_stable=None,
                auto=each.auto,
            )
            for each in packages
        ),
        files=(),
    )


def _by_name(texts: Iterable[str]) -> dict[str, models.Package]:
    return {each.name: each for each in map(package, texts)}


@dataclass(frozen=True)
class World:
    """Facts in which nothing changed, but for what a test says.

    `gets` are packages that a build would have in place of, or beside, those of PUBLISHED; `loses`
    are names. `had` are published in place of those in PUBLISHED. `store` and `archive` are errors
    in place of what they would tell.
    """

    gets: Sequence[str] = ()
    loses: Sequence[str] = ()
    had: Sequence[str] = ()
    age: timedelta = timedelta(days=5)
    config: str = "c" * 64
    tool: str = "0.1.0"
    suites: tuple[tuple[str, str, str], ...] = (MAIN, UPDATES, SECURITY)
    stale: timedelta = timedelta(0)
    first: bool = False
    forced: bool = False
    store: ForgeError | None = None
    archive: ForgeError | None = None

    @property
    def published(self) -> model.Manifest:
        before = [source(suite) for suite in (MAIN, UPDATES, SECURITY)]
        packages = PUBLISHED | _by_name(self.had)
        return manifest(packages.values(), NOW - self.age, before)

    @property
    def prospect(self) -> Prospect:
        kept = {name: each for name, each in PUBLISHED.items() if name not in self.loses}
        after = kept | _by_name(self.gets)
        return Prospect(
            name="debian-13",
            packages=tuple(after.values()),
            # Of the security archive alone: the archives of one distribution age apart.
            releases=tuple(
                source(suite, NOW - self.stale if suite[1] == SECURITY[1] else NOW)
                for suite in self.suites
            ),
            config=self.config,
            tool_version=self.tool,
        )

    @property
    def facts(self) -> Facts:
        return Facts(
            name="debian-13",
            now=NOW,
            published=self.store or (None if self.first else self.published),
            prospect=self.archive or self.prospect,
            forced=self.forced,
        )
