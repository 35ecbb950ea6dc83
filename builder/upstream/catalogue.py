# SPDX-License-Identifier: GPL-2.0-or-later
"""All upstreams that are known: the project's `upstreams/`, and folders of a site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from builder import distros, documents, names
from builder.documents import DocumentError
from builder.errors import InfrastructureError, UsageError
from builder.imports import versions
from builder.upstream.asking import Asking
from builder.upstream.indexes import open as indexes
from builder.upstream.model import ReleaseEntry, Traits, Upstream
from builder.upstream.series import Series

FOLDER: Final = "upstreams"
SUFFIX: Final = ".yaml"
SCHEMA: Final = "schema/upstream.schema.json"


@dataclass(frozen=True)
class Source:
    """One file: a distribution; `name` is the file's name without its suffix."""

    name: str
    path: Path
    upstream: Upstream

    def series(self, asking: Asking, today: date | None = None) -> tuple[Series, ...]:
        """Its images: each release on each of its architectures, in the file's order."""
        found = _releases(self, asking, today or datetime.now(UTC).date())
        return tuple(each for release in found for each in self._of(release))

    def _of(self, release: ReleaseEntry) -> Iterator[Series]:
        traits = _traits(self, release)
        for arch in traits.arches or {}:
            yield Series(self.name, self.path, self.upstream, release, arch, traits)


@dataclass(frozen=True)
class Catalogue:
    """The sources by name; those of a site come in place of ours of the same name."""

    sources: Mapping[str, Source]


def read(folders: Sequence[Path]) -> Catalogue:
    """All files of some folders, later ones before earlier ones; UsageError for the first flaw."""
    found: dict[str, Source] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            source = read_file(path)
            found[source.name] = source
    return Catalogue(found)


def read_file(path: Path) -> Source:
    """One file; DocumentError says what is wrong in it, and where."""
    text = documents.read_text(path, missing="is it yours to read?")
    upstream = documents.parse(Upstream, text, path, SCHEMA)
    source = Source(path.name.removesuffix(SUFFIX), path, upstream)
    if upstream.distro not in distros.DISTROS:
        raise DocumentError(
            path,
            f"no name begins with {upstream.distro}"
            f"{names.did_you_mean(upstream.distro, distros.DISTROS)}",
            "the first tokens of names are in builder/distros.py",
            documents.line_of(text, ("distro",)),
        )
    for release in upstream.releases or (ReleaseEntry(release="0"),):
        _traits(source, release)
    return source


def _traits(source: Source, release: ReleaseEntry) -> Traits:
    """What is said of a release, and otherwise of the distribution."""
    upstream, path = source.upstream, source.path
    said = {
        name: value for name in Traits.model_fields if (value := getattr(release, name)) is not None
    }
    # Who says one of these of a release takes the other back.
    for one, other in (("signature", "unsigned"), ("unsigned", "signature")):
        if one in said:
            said.setdefault(other, None)
    traits = Traits(
        **{name: said.get(name, getattr(upstream, name)) for name in Traits.model_fields}
    )
    for field in ("index", "arches", "os_distro"):
        if getattr(traits, field) is None:
            raise DocumentError(path, f"{field} is missing", f"{SCHEMA} says what it is")
    if (traits.signature is None) == (traits.unsigned is None):
        raise DocumentError(
            path,
            "it says neither signature nor unsigned, or both",
            "say who signs, or why nobody does: an image without a signature is named as such",
        )
    return traits


def _releases(source: Source, asking: Asking, today: date) -> Sequence[ReleaseEntry]:
    """The releases: those that are listed, or the newest ones with what is listed about them."""
    newest, listed = source.upstream.newest, source.upstream.releases
    if newest is None:
        return listed
    if newest.of == "distro-info":
        found = _distro_info(source, today, lts=newest.only == "lts")
    else:
        index = source.upstream.index
        assert index is not None, "read_file sees to that"
        told = indexes.releases(index, source.upstream, asking)
        found = [_release(number, source) for number in _by_number(told)]
    known = {each.release: each for each in listed}
    return [known.get(each.release, each) for each in found[-newest.count :]]


def _distro_info(source: Source, today: date, *, lts: bool) -> list[ReleaseEntry]:
    """Those that are finished by that day, the oldest first."""
    return [
        ReleaseEntry(
            release=each.token,
            number=each.number or None,
            codename=each.codename or None,
            provided_until=each.ends,
        )
        for each in distros.releases(distros.DISTROS[source.upstream.distro]).values()
        if each.released and each.released <= today and (not lts or "LTS" in each.title)
    ]


def _release(number: str, source: Source) -> ReleaseEntry:
    """A release that an index tells; InfrastructureError for what cannot be a part of a name."""
    try:
        return ReleaseEntry(release=number)
    except ValidationError as error:
        raise InfrastructureError(
            f"the index of {source.name} tells a release that no name can have: {number[:40]!r}",
            hint=f"look at it, or list releases: in {source.path}",
        ) from error


def _by_number(told: Iterable[str]) -> list[str]:
    """Numbers of releases, the oldest first."""
    found = sorted(set(told), key=versions.key)
    if not found:
        raise UsageError("the index tells no release", hint="list them in releases:")
    return found
