# SPDX-License-Identifier: GPL-2.0-or-later
"""All classes that there are: read from their overlays and checked against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from builder.classes.model import FILE, FIRST, LAST, ClassFile, Kind, read
from builder.classes.overlays import ADDITION_FILE, FOLDER, Overlay, addition
from builder.distros import DISTROS
from builder.errors import UsageError
from builder.models import ARCHES
from builder.names import did_you_mean, is_role, parse

T = TypeVar("T")


@dataclass(frozen=True)
class SourceRow:
    """A row of a class's `sources`; `suites` may hold CODENAME, empty `when` means always."""

    suites: tuple[str, ...]
    components: tuple[str, ...]
    when: tuple[str, ...]


@dataclass(frozen=True)
class FaiClass:
    """One class: `class.yaml` in our own terms, and the overlay that it came from.

    `conflicts` gives the reason for each class; `disk_size` is in bytes; `kernel` is the kernel's
    package by architecture.
    """

    name: str
    kind: Kind
    token: str
    summary: str
    order: int
    requires: tuple[str, ...]
    conflicts: Mapping[str, str]
    defaults: tuple[str, ...]
    disk_size: int | None
    kernel: Mapping[str, str]
    packages: tuple[str, ...]
    sources: tuple[SourceRow, ...]
    formats: tuple[str, ...]
    overlay: Overlay

    @property
    def path(self) -> Path:
        """Where its `class.yaml` is, for messages."""
        return self.overlay.path / FILE


@dataclass(frozen=True)
class Catalogue:
    """Every class by name, in the order in which FAI would handle them.

    `additions` are folders of overlays from outside that add files to a class.
    """

    classes: Mapping[str, FaiClass]
    additions: Mapping[str, tuple[Overlay, ...]] = dataclasses.field(default_factory=dict)

    def of_kind(self, kind: Kind) -> tuple[FaiClass, ...]:
        """The classes of one kind, in order."""
        return tuple(c for c in self.classes.values() if c.kind == kind)

    def required(self, names: Iterable[str]) -> dict[str, str]:
        """What these classes require, however far: each class, and the one that asks for it."""
        asked: dict[str, str] = {}
        queue = list(names)
        given = set(queue)
        for name in queue:
            for needed in self.classes[name].requires:
                if needed not in given and needed not in asked:
                    asked[needed] = name
                    queue.append(needed)
        return asked

    def distro_of(self, release: FaiClass) -> FaiClass | None:
        """The distribution that a release class belongs to: the one that it requires."""
        needed = (self.classes[name] for name in self.required([release.name]))
        return next((c for c in needed if c.kind == "distro"), None)

    def overlays(self, names: Iterable[str]) -> tuple[Overlay, ...]:
        """The overlays of these classes, in their order; FAI's own classes have additions only."""
        found: list[Overlay] = []
        for name in names:
            if name in self.classes:
                found.append(self.classes[name].overlay)
            found += self.additions.get(name, ())
        return tuple(found)


def load(overlays: Sequence[Overlay]) -> Catalogue:
    """Read the classes of all overlays; raises UsageError that names the file that is wrong."""
    catalogue = read_all(overlays)
    for fault in faults(catalogue):
        raise fault
    return catalogue


def read_all(overlays: Sequence[Overlay]) -> Catalogue:
    """Read the classes of all overlays, whether or not they fit together."""
    found: dict[str, FaiClass] = {}
    additions: dict[str, tuple[Overlay, ...]] = {}
    for overlay in overlays:
        if overlay.is_addition:
            known = additions.get(overlay.fai_class, ())
            additions[overlay.fai_class] = (*known, addition(overlay))
            continue
        one = _fai_class(read(overlay.path), overlay)
        if one.name in found:
            raise UsageError(
                f"{one.path}: the class {one.name} is also in {found[one.name].overlay.path}",
                hint="rename one of them, or leave one overlay out; a folder without"
                f" {FILE} in an overlay from outside adds files to a class",
            )
        found[one.name] = one
    ordered = sorted(found.values(), key=lambda c: (c.order, c.name))
    return Catalogue({c.name: c for c in ordered}, additions)


def faults(catalogue: Catalogue) -> Iterator[UsageError]:
    """All in which the classes of a catalogue do not fit together."""
    references = [
        *_faults(_check_addition, catalogue, catalogue.additions),
        *_faults(_check_references, catalogue, catalogue.classes.values()),
    ]
    circles = [] if references else _faults(_check_circle, catalogue, catalogue.classes.values())
    yield from (found := [*references, *circles])
    # These follow `requires`.
    if not found:
        yield from _faults(_check_token, catalogue, catalogue.classes.values())
        yield from _faults(lambda c, _: _check_tokens_differ(c), catalogue, (None,))


def _faults(
    check: Callable[[Catalogue, T], None], catalogue: Catalogue, each: Iterable[T]
) -> list[UsageError]:
    """What a check says about each of some things."""
    found = []
    for one in each:
        try:
            check(catalogue, one)
        except UsageError as error:
            found.append(error)
    return found


def _fai_class(file: ClassFile, overlay: Overlay) -> FaiClass:
    if (overlay.path / ADDITION_FILE).exists():
        raise UsageError(
            f"{overlay.path / ADDITION_FILE}: beside a {FILE} this file is not read",
            hint=f"put its content into {FILE}",
        )
    return FaiClass(
        name=file.name,
        kind=file.kind,
        token=file.token or "",
        summary=file.summary,
        order=file.order,
        requires=file.requires,
        conflicts=dict(file.conflicts),
        defaults=file.defaults,
        disk_size=file.disk_size,
        kernel=dict(file.kernel or {}),
        packages=file.packages,
        sources=tuple(SourceRow(row.suites, row.components, row.when) for row in file.sources),
        formats=file.formats,
        overlay=replace(overlay, replaces=file.replaces),
    )


def _check_addition(catalogue: Catalogue, name: str) -> None:
    """There is a class to which a folder adds files."""
    if name not in catalogue.classes and name not in (FIRST, LAST):
        folder = catalogue.additions[name][0].path
        near = did_you_mean(name, catalogue.classes)
        raise UsageError(
            f"{folder}: there is no class {name} that this could add files to{near}",
            hint=f"rename the folder, or give it a {FILE} if it is a class of its own",
        )


def _check_references(catalogue: Catalogue, one: FaiClass) -> None:
    """Every class that this one speaks of exists."""
    fields: dict[str, Iterable[str]] = {
        "requires": one.requires,
        "conflicts": one.conflicts,
        "defaults": one.defaults,
        "sources": [name for row in one.sources for name in row.when],
    }
    for field, names in fields.items():
        for name in names:
            if name not in catalogue.classes:
                near = did_you_mean(name, catalogue.classes)
                raise UsageError(
                    f"{one.path}: the field {field} names the class {name}, which nobody has{near}",
                    hint=f"add a folder {FOLDER}/{name}, or mend the name",
                )


def _check_circle(catalogue: Catalogue, one: FaiClass) -> None:
    """No class requires itself, not even through others."""
    asked: dict[str, str] = {}
    queue = [one.name]
    for name in queue:
        for needed in catalogue.classes[name].requires:
            if needed == one.name:
                way = [needed, name]
                while way[-1] != one.name:
                    way.append(asked[way[-1]])
                raise UsageError(
                    f"{one.path}: the field requires goes in a circle: {' -> '.join(way[::-1])}",
                    hint="take one of these out of the other's requires",
                )
            if needed not in asked:
                asked[needed] = name
                queue.append(needed)


def _release_token(catalogue: Catalogue, one: FaiClass) -> str:
    """What a release's token should be; empty if it is that."""
    distro = catalogue.distro_of(one)
    if distro is None:
        raise UsageError(
            f"{one.path}: the release {one.token} belongs to no distribution",
            hint="put the distribution's class into requires",
        )
    try:
        name = parse(f"{distro.token}-{one.token}")
    except UsageError as error:
        return f"a release of {distro.token} ({error.message})"
    return "" if str(name) == f"{distro.token}-{one.token}" else name.release


# For each kind that has a token: what it should be instead, or nothing if it is right.
TOKEN_RULES: dict[Kind, Callable[[Catalogue, FaiClass], str]] = {
    "distro": lambda _, one: "" if one.token in DISTROS else f"one of {', '.join(DISTROS)}",
    "release": _release_token,
    "arch": lambda _, one: "" if one.token in ARCHES else f"one of {', '.join(ARCHES)}",
    "role": lambda _, one: (
        "" if is_role(one.token) else "of a-z and 0-9, and no architecture, alpha, beta or rc"
    ),
}


def _check_token(catalogue: Catalogue, one: FaiClass) -> None:
    """Some image name can say the token, in just this spelling."""
    rule = TOKEN_RULES.get(one.kind)
    expected = rule(catalogue, one) if rule else ""
    if expected:
        raise UsageError(
            f"{one.path}: the field token is {one.token!r}; the kind {one.kind} expects {expected}",
            hint="it is the word in image names, in its canonical spelling",
        )


def _check_tokens_differ(catalogue: Catalogue) -> None:
    """No two classes stand for one word; a release's word may be there once per distribution."""
    seen: dict[tuple[str, str, str], FaiClass] = {}
    for one in catalogue.classes.values():
        if not one.token:
            continue
        distro = catalogue.distro_of(one) if one.kind == "release" else None
        first = seen.setdefault((one.kind, one.token, distro.name if distro else ""), one)
        if first is not one:
            raise UsageError(
                f"{one.path}: the {one.kind} token {one.token} is that of {first.name} already",
                hint="give one of them another token",
            )
