# SPDX-License-Identifier: GPL-2.0-or-later
"""From an image name to its classes in FAI's order, each with the reason why it is there."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from builder.classes.catalogue import Catalogue, FaiClass
from builder.classes.model import CODENAME, FILE, FIRST, LAST, Kind
from builder.classes.overlays import FOLDER
from builder.errors import UsageError
from builder.models import DEFAULT_ARCH, ExtraSource
from builder.names import Name, codename, did_you_mean, title

# How messages call the kinds that image names have tokens for.
NOUNS: Mapping[Kind, str] = {
    "distro": "distribution",
    "release": "release",
    "arch": "architecture",
    "role": "role",
}
# An image has one class of each of these kinds, whatever its classes require.
ONE_ONLY: tuple[Kind, ...] = ("distro", "release", "arch")


@dataclass(frozen=True)
class ImageSpec:
    """What to build for a name.

    `classes` is FAI's list from DEFAULT to LAST, most specific last, and `why` says for each what
    brought it; `disk_size` is in bytes; `kernel` is a package, None for an image without one;
    `packages` are promised, sorted; `sources` are what the classes add to the apt sources;
    `formats` are made unless others are asked for.
    """

    name: Name
    title: str
    classes: tuple[str, ...]
    why: Mapping[str, str] = field(hash=False)
    arch: str
    codename: str
    disk_size: int
    kernel: str | None
    packages: tuple[str, ...]
    sources: tuple[ExtraSource, ...]
    formats: tuple[str, ...]

    @property
    def settings(self) -> str:
        """What of it decides an image's content, beside the files of its classes; one text."""
        decisive = (self.classes, self.arch, self.disk_size, self.kernel, self.sources)
        return "".join(f"{each}\n" for each in decisive)


@dataclass(frozen=True)
class Clash:
    """Two classes that cannot be in one image, and why not: the end of a sentence."""

    one: FaiClass
    other: FaiClass
    reason: str


class ClashError(UsageError):
    """Two classes of one image exclude each other; caught where combinations are only tried."""


def resolve(catalogue: Catalogue, name: Name) -> ImageSpec:
    """Find the classes that a name means, with all that they require and default to.

    Raises UsageError for a token without a class, and for classes that exclude each other.
    """
    named = _named(catalogue, name)
    why = _with_defaults(catalogue, _with_required(catalogue, named))
    clash = _clash(catalogue, why)
    if clash is not None:
        raise ClashError(
            f"{name}: {_in_words(catalogue, named, clash)} cannot be combined: {clash.reason}",
            hint="leave one of them out of the name",
        )

    chosen = [c for c in catalogue.classes.values() if c.name in why]
    sizes = [c.disk_size for c in chosen if c.disk_size is not None]
    if not sizes:
        raise UsageError(
            f"{name}: none of its classes says how large the disk is",
            hint=f"add disk_size: 2GiB to the {FILE} of one of {', '.join(c.name for c in chosen)}",
        )
    kernels = [c.kernel[name.arch] for c in chosen if name.arch in c.kernel]
    formats = [c.formats for c in chosen if c.formats]
    roles = tuple(c.token for c in chosen if c.kind == "role" and c.token in name.roles)
    return ImageSpec(
        name=replace(name, roles=roles),
        title=title(name),
        classes=(FIRST, *(c.name for c in chosen), LAST),
        why={FIRST: "FAI's first class", **{c.name: why[c.name] for c in chosen}}
        | {LAST: "FAI's last class"},
        arch=name.arch,
        codename=codename(name),
        disk_size=max(sizes),
        kernel=kernels[-1] if kernels else None,
        packages=tuple(sorted({package for c in chosen for package in c.packages})),
        sources=_sources(name, chosen),
        formats=formats[-1] if formats else (),
    )


def _sources(name: Name, chosen: list[FaiClass]) -> tuple[ExtraSource, ...]:
    """What the chosen classes add to the apt sources, for this release."""
    here = {c.name for c in chosen}
    rows = [row for c in chosen for row in c.sources if not row.when or here & set(row.when)]
    return tuple(
        ExtraSource(
            tuple(suite.replace(CODENAME, codename(name)) for suite in row.suites), row.components
        )
        for row in rows
    )


def series(catalogue: Catalogue) -> tuple[Name, ...]:
    """Every plain image that can be named, and each with one role, for lists and completion."""
    roles = [(), *((c.token,) for c in catalogue.of_kind("role"))]
    found: list[Name] = []
    for release, arch, role in itertools.product(
        catalogue.of_kind("release"), catalogue.of_kind("arch"), roles
    ):
        distro = catalogue.distro_of(release)
        if distro is None:
            continue
        name = Name(distro.token, release.token, role, arch.token)
        try:
            resolve(catalogue, name)
        except ClashError:
            continue
        found.append(name)
    return tuple(found)


def _named(catalogue: Catalogue, name: Name) -> dict[str, str]:
    """The classes that the tokens of a name stand for, each with its reason."""
    distro = _pick(name, "distro", name.distro, catalogue.of_kind("distro"))
    releases = [r for r in catalogue.of_kind("release") if catalogue.distro_of(r) is distro]
    arch = "the default architecture" if name.arch == DEFAULT_ARCH else f"named by {name.arch}"
    return {
        distro.name: f"named by {name.distro}",
        _pick(name, "release", name.release, releases).name: f"named by {name.release}",
        _pick(name, "arch", name.arch, catalogue.of_kind("arch")).name: arch,
        **{
            _pick(name, "role", role, catalogue.of_kind("role")).name: f"named by {role}"
            for role in name.roles
        },
    }


def _pick(
    name: Name, kind: Kind, token: str, classes: tuple[FaiClass, ...] | list[FaiClass]
) -> FaiClass:
    """The class with that token."""
    for one in classes:
        if one.token == token:
            return one
    tokens = [c.token for c in classes]
    known = f"there are {', '.join(tokens)}" if tokens else "there are none yet"
    theirs = "; what its makers publish: fai-forge upstream list" if kind == "distro" else ""
    raise UsageError(
        f"{name}: no class stands for the {kind} {token}{did_you_mean(token, tokens)}",
        hint=f"{known}; a new one is a folder in {FOLDER}/ with a {FILE}, and others come with"
        f" --overlay DIR{theirs}",
    )


def _with_required(catalogue: Catalogue, why: Mapping[str, str]) -> dict[str, str]:
    """Add all that these classes require."""
    required = catalogue.required(why)
    return {**why, **{needed: f"required by {by}" for needed, by in required.items()}}


def _with_defaults(catalogue: Catalogue, why: dict[str, str]) -> dict[str, str]:
    """Add what these classes default to, as far as nothing in the image conflicts with it.

    The most specific class has its way first; a default may bring classes with defaults of theirs.
    """
    if _clash(catalogue, why) is not None:
        return why
    yielded: set[str] = set()
    while True:
        specific_first = [c for c in reversed(list(catalogue.classes.values())) if c.name in why]
        wish = next(
            ((d, c) for c in specific_first for d in c.defaults if d not in {*why, *yielded}), None
        )
        if wish is None:
            return why
        default, by = wish
        grown = _with_required(catalogue, {**why, default: f"default of {by.name}"})
        if _clash(catalogue, grown) is None:
            why = grown
        else:
            yielded.add(default)


def _clash(catalogue: Catalogue, names: Mapping[str, str]) -> Clash | None:
    """The first two of these classes that cannot be in one image."""
    chosen = [c for c in catalogue.classes.values() if c.name in names]
    for one, other in itertools.combinations(chosen, 2):
        if one.kind == other.kind and one.kind in ONE_ONLY:
            return Clash(one, other, f"an image has one {NOUNS[one.kind]}")
        reason = other.conflicts.get(one.name) or one.conflicts.get(other.name)
        if reason is not None:
            return Clash(one, other, reason)
    return None


def _in_words(catalogue: Catalogue, named: Mapping[str, str], clash: Clash) -> str:
    """Both sides of a clash as the image name has them: "the roles a and b"."""
    asked = catalogue.required(named)
    kinds, sides = [], []
    for end in (clash.one, clash.other):
        root = end
        while root.name not in named:
            root = catalogue.classes[asked[root.name]]
        kinds.append(root.kind)
        brings = "" if root is end else f" (which brings {end.name})"
        sides.append(f"{root.token}{brings}")
    if kinds[0] == kinds[1]:
        return f"the {NOUNS[kinds[0]]}s {sides[0]} and {sides[1]}"
    return f"the {NOUNS[kinds[0]]} {sides[0]} and the {NOUNS[kinds[1]]} {sides[1]}"
