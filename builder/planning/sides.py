# SPDX-License-Identifier: GPL-2.0-or-later
"""What two words mean that name what is compared: builds, manifests, or what the archive has."""

from __future__ import annotations

from pathlib import Path

from builder import names
from builder.builds import MANIFEST, Builds
from builder.errors import UsageError
from builder.manifest import document
from builder.manifest.changelog import ARCHIVE
from builder.manifest.changes import Side
from builder.manifest.imported import Document
from builder.policy.facts import Prospect

WAYS = (
    "a side is a manifest, the folder of a build, a build (debian-13-20261120), an image"
    " (debian-13: its newest build),\na serial of the other side's image (20261120), or"
    f" {ARCHIVE}: what a build would get now"
)


def manifests(first: str, second: str, built: Builds) -> tuple[Document | None, Document | None]:
    """The manifests that two words mean; None for the archive.

    A path is tried first, then a name; a serial alone is one of the other side's image. UsageError
    says what a word cannot be.
    """
    one, other = (None if _waits(word) else _find(word, built) for word in (first, second))
    for word, answer in ((first, other), (second, one)):
        if answer is None and _waits(word):
            raise UsageError(
                f"{first} and {second} do not say which image is meant",
                hint=f"write debian-13-{word} for one of them" if word != ARCHIVE else WAYS,
            )
    if one is None and other is not None and first != ARCHIVE:
        one = _load(f"{other.name}-{first}", built)
    if other is None and one is not None and second != ARCHIVE:
        other = _load(f"{one.name}-{second}", built)
    return one, other


def side(prospect: Prospect, title: str) -> Side:
    """The side of what a build would get."""
    name = names.parse(prospect.name)
    dates = [each.date for each in prospect.releases if each.date]
    return Side(
        name=prospect.name,
        serial=ARCHIVE,
        title=title,
        date=max(dates, default=None),
        packages=prospect.packages,
        config=prospect.config,
        tool=prospect.tool_version,
        suites={each.suite: each.version for each in prospect.releases},
        security=prospect.security,
        release=(name.distro, name.release),
    )


def _waits(word: str) -> bool:
    """Whether a word means something only once the other side is known."""
    return word == ARCHIVE or names.SERIAL.fullmatch(word) is not None


def _find(word: str, built: Builds) -> Document:
    path = Path(word)
    if path.is_file():
        return document.load_any(path)
    inside = sorted(path.glob(f"*.{MANIFEST}")) if path.is_dir() else []
    if len(inside) == 1:
        return document.load_any(inside[0])
    tried = _tried(path, len(inside))
    if "/" in word:
        raise UsageError(f"{word} is no build: {tried}", hint=WAYS)
    return _load(word, built, f"{tried}, and ")


def _tried(path: Path, inside: int) -> str:
    if not path.is_dir():
        return "there is no such file or folder"
    return f"the folder holds {inside or 'no'} manifests (*.{MANIFEST})"


def _load(word: str, built: Builds, tried: str = "") -> Document:
    """The manifest of a build by its name."""
    try:
        name = names.parse(word)
    except UsageError as error:
        raise UsageError(f"{word} is no build: {tried}{error.message}", hint=WAYS) from error
    if name.tag is not None:
        raise UsageError(
            f"{word} is no build: {tried}{name.tag} is a tag, and builds have serials", hint=WAYS
        )
    try:
        return document.load_any(built.find(name).manifest)
    except UsageError as error:
        raise UsageError(f"{tried}{error.message}", hint=f"{error.hint}\n{WAYS}") from error
