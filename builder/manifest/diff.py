# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two sets of packages, by source package.

By source, since an upgrade is one upload, whatever it is split into: a kernel with a new ABI is a
package removed, another added and a third upgraded, and one change of `linux`. A package whose
source nobody tells stands for itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

from debian.debian_support import Version

from builder.archive.origins import is_security
from builder.archive.twins import canonical
from builder.errors import UsageError
from builder.models import Package

# "rebuilt": other binary packages from the same source version, as a binNMU makes them.
ChangeKind = Literal["added", "removed", "upgraded", "downgraded", "rebuilt"]

# What a binNMU adds to the version of the source: 1.0-1+b2.
REBUILD: Final = re.compile(r"\+b[0-9]+$")


@dataclass(frozen=True)
class BinaryChange:
    """One binary package; `old` or `new` is None where one side does not have it."""

    name: str
    arch: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class SourceChange:
    """What became of one source package; `old` and `new` are source versions, None if absent.

    `name` is the source that people know: `linux` for linux-signed-amd64; where nobody tells the
    source it is the binary package's own, and the versions are. `security` says that a security
    archive has the change.
    """

    name: str
    kind: ChangeKind
    old: str | None
    new: str | None
    binaries: tuple[BinaryChange, ...]
    security: bool


@dataclass(frozen=True)
class _Pair:
    """A binary package that changed, as both sides have it; never None on both."""

    old: Package | None
    new: Package | None

    @property
    def newest(self) -> Package:
        package = self.new or self.old
        assert package is not None
        return package


def compare(
    old: Iterable[Package],
    new: Iterable[Package],
    security: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[SourceChange, ...]:
    """The changes from `old` to `new`, by the source's name; none if the sets are equal.

    `security` has, by binary package, the versions that a security archive holds: a version is a
    security update too if it comes from elsewhere and is newer than one of those that `old` lacks.
    A package whose version is the same on both sides did not change, whatever archive has it now.
    A source that is new in the set is added, and no security update: nothing had its flaws before.
    A version that cannot be compared raises UsageError.
    """
    before = {package.key: package for package in old}
    after = {package.key: package for package in new}
    changed: dict[str, list[_Pair]] = defaultdict(list)
    for key in before.keys() | after.keys():
        pair = _Pair(before.get(key), after.get(key))
        if pair.old is None or pair.new is None or pair.old.version != pair.new.version:
            # A package that moved to another source counts there, and once.
            changed[_source(pair.newest)[0]].append(pair)
    old_versions, new_versions = _highest(before.values()), _highest(after.values())
    return tuple(
        _change(name, pairs, old_versions, new_versions, security or {})
        for name, pairs in sorted(changed.items())
    )


def told(packages: Iterable[Package], others: Iterable[Package]) -> tuple[Package, ...]:
    """The same packages, with the sources of those that only `others` know the source of.

    Both must be of the same release of a distribution: there, a binary package of a name is from
    one source. One whose versions do not follow its source's stays without.
    """
    known = {each.name: each for each in others if each.source}
    return tuple(
        each if each.source else _with_source(each, known.get(each.name)) for each in packages
    )


def _with_source(package: Package, twin: Package | None) -> Package:
    if twin is None:
        return package
    # Lists without a source do not say either whether a package is for all architectures.
    same = replace(package, arch=twin.arch, source=twin.source)
    if package.version == twin.version:
        return replace(same, source_version=twin.source_version)
    if REBUILD.sub("", twin.version) != twin.source_version:
        return replace(package, arch=twin.arch)
    return replace(same, source_version=REBUILD.sub("", package.version))


def _change(
    name: str,
    pairs: list[_Pair],
    old_versions: Mapping[str, str],
    new_versions: Mapping[str, str],
    held: Mapping[str, tuple[str, ...]],
) -> SourceChange:
    moved = [_source(pair.old)[1] for pair in pairs if pair.old]
    # The source may have another name on the old side.
    old = old_versions.get(name) or max(moved, key=_version, default=None)
    new = new_versions.get(name)
    return SourceChange(
        name=name,
        kind=_kind(pairs, old, new),
        old=old,
        new=new,
        binaries=tuple(
            BinaryChange(
                name=pair.newest.name,
                arch=pair.newest.arch,
                old=pair.old.version if pair.old else None,
                new=pair.new.version if pair.new else None,
            )
            for pair in sorted(pairs, key=lambda each: (each.newest.name, each.newest.arch))
        ),
        security=old is not None and any(_is_security(pair, old, held) for pair in pairs),
    )


def _kind(pairs: Iterable[_Pair], old: str | None, new: str | None) -> ChangeKind:
    """What the change is called; whatever goes down makes it a downgrade, which nobody expects."""
    if old is None:
        return "added"
    if new is None:
        return "removed"
    both = [(pair.old, pair.new) for pair in pairs if pair.old and pair.new]
    # Versions of two sources tell nothing about each other; those of one package do.
    same = [(a, b) for a, b in both if _source(a)[0] == _source(b)[0]]
    steps = {_order(a.version, b.version) for a, b in both}
    if len(same) == len(both):
        steps.add(_order(old, new))
    if -1 in steps:
        return "downgraded"
    sources = {_order(_source(a)[1], _source(b)[1]) for a, b in same}
    rises = _order(old, new) == 1 or 1 in sources or len(same) < len(both)
    return "upgraded" if rises else "rebuilt"


def _is_security(pair: _Pair, old_source: str, held: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a security archive has this change of a package whose source was there before.

    A package that is new in the set, as after a change of the kernel's ABI, has no version before:
    there the source's own stands for it.
    """
    new = pair.new
    if new is None:
        return False
    known = any(is_security(origin) for origin in new.origins)
    if pair.old is not None:
        before = pair.old.version
    else:
        version = _source(new)[1]
        if _order(old_source, version) == 0:
            return False
        if known:
            return True
        # Some packages have versions of their own, which the source's cannot be compared with.
        if REBUILD.sub("", new.version) != version:
            return False
        before = old_source
    return known or any(
        _order(before, version) == 1 and _order(version, new.version) >= 0
        for version in held.get(new.name, ())
    )


def _highest(packages: Iterable[Package]) -> dict[str, str]:
    """The highest version of each source."""
    found: dict[str, str] = {}
    for package in packages:
        name, version = _source(package)
        if name not in found or _order(found[name], version) == 1:
            found[name] = version
    return found


def _source(package: Package) -> tuple[str, str]:
    """The source that people know, and its version; the package itself where nobody tells it."""
    if not package.source:
        return package.name, package.version
    return canonical(package.source, package.source_version)


def _order(old: str, new: str) -> int:
    """1 if `new` is the higher version, -1 if it is the lower one, 0 if they are equal."""
    if old == new:
        return 0
    return int(_version(new) > _version(old)) - int(_version(new) < _version(old))


@cache
def _version(text: str) -> Version:
    try:
        return Version(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not the version of a package",
            hint="the manifest is damaged: fetch or build it again",
        ) from error
