# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between a published build and what a build would get now, one entry each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from debian.debian_support import Version

from builder import models
from builder.archive.origins import is_security
from builder.manifest import model
from builder.manifest.decision import ReasonKind
from builder.manifest.diff import BinaryChange, ChangeKind, SourceChange
from builder.policy.facts import Prospect

# A suite, as a manifest and as a prospect have it.
Suite = model.AptSource | models.AptSource
# How the change of a source package is called where it is no security update.
KINDS: dict[ChangeKind, ReasonKind] = {
    "upgraded": "upgrade",
    "rebuilt": "rebuilt",
    "downgraded": "downgrade",
    "added": "added",
    "removed": "removed",
}
# What is lower or gone fixes nothing, and what is new had no flaw in the image before.
BRINGS_FIXES: frozenset[ChangeKind] = frozenset({"upgraded", "rebuilt"})


@dataclass(frozen=True)
class Finding:
    """One difference; `change` is there where it is that of a source package.

    `takes_fix` says that a build would have a lower version of what came from a security archive.
    """

    kind: ReasonKind
    old: str | None
    new: str | None
    change: SourceChange | None = None
    takes_fix: bool = False


@dataclass(frozen=True)
class Behind:
    """A suite that is older now than it was when the published build was made."""

    suite: str
    published: datetime
    now: datetime


def behind(published: model.Manifest, prospect: Prospect) -> tuple[Behind, ...]:
    """The suites that went backwards; those that only one side has are none of them."""
    before, after = _dates(published.build.apt_sources), _dates(prospect.releases)
    return tuple(
        Behind(key[0], date, after[key])
        for key, date in sorted(before.items())
        if key in after and after[key] < date
    )


def findings(
    published: model.Manifest, prospect: Prospect, changes: Iterable[SourceChange], now: datetime
) -> tuple[Finding, ...]:
    """All that differs; a new month is a difference only where there is another one."""
    fixed = frozenset(
        (package.name, package.arch)
        for package in published.packages
        if any(is_security(origin) for origin in package.origins)
    )
    found = (
        *(_of_source(change, fixed) for change in changes),
        *_of_the_rest(published, prospect),
    )
    return (*found, *_month(published.build.date, now)) if found else ()


def _of_source(change: SourceChange, fixed: frozenset[tuple[str, str]]) -> Finding:
    """`fixed` are the published packages, by name and architecture, of security archives."""
    down = change.kind == "downgraded"
    takes_fix = down and any(
        (binary.name, binary.arch) in fixed and _is_lower(binary) for binary in change.binaries
    )
    is_update = change.security and change.kind in BRINGS_FIXES
    kind = "security" if is_update else KINDS[change.kind]
    return Finding(kind, change.old, change.new, change, takes_fix)


def _is_lower(binary: BinaryChange) -> bool:
    """Whether a build would have less than this published package of a source that went down.

    One with the version in its name, as the kernel's, is gone then.
    """
    if binary.old is None or binary.new is None:
        return binary.new is None
    return bool(Version(binary.new) < Version(binary.old))


def _of_the_rest(published: model.Manifest, prospect: Prospect) -> Iterator[Finding]:
    build = published.build
    sides: tuple[tuple[ReasonKind, str, str], ...] = (
        ("config-space", build.config_space.digest, prospect.config),
        ("builder", build.tool_version, prospect.tool_version),
        ("point-release", *_point_releases(build.apt_sources, prospect.releases)),
    )
    yield from (Finding(kind, old, new) for kind, old, new in sides if old != new)


def _point_releases(before: Sequence[Suite], after: Sequence[Suite]) -> tuple[str, str]:
    """The Version of the first suite that is no security one, then and now; equal if unknown.

    Other suites (updates, backports) have versions that name no point release.
    """
    main = next((suite for suite in after if not is_security(f"{suite.label}:{suite.suite}")), None)
    if main is None:
        return "", ""
    was = next((suite.version for suite in before if _key(suite) == _key(main)), "")
    return (was, main.version) if was and main.version else ("", "")


def _month(published: datetime, now: datetime) -> Iterator[Finding]:
    then, today = published.astimezone(UTC), now.astimezone(UTC)
    if (then.year, then.month) < (today.year, today.month):
        yield Finding("month", f"{then:%Y-%m}", f"{today:%Y-%m}")


def _key(suite: Suite) -> tuple[str, str, str]:
    return suite.suite, suite.origin, suite.label


def _dates(suites: Iterable[Suite]) -> dict[tuple[str, str, str], datetime]:
    """The newest date of each suite: several mirrors may have it."""
    dates: dict[tuple[str, str, str], datetime] = {}
    for suite in suites:
        if suite.date is not None:
            dates[_key(suite)] = max(suite.date, dates.get(_key(suite), suite.date))
    return dates
