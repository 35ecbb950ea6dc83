# SPDX-License-Identifier: GPL-2.0-or-later
"""Overlays from outside of the project: which there are, and where each of them lies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import UsageError
from builder.sites import git
from builder.sites.model import COMMIT, PROTOCOLS, OverlayEntry, find, is_url, read

# The label of the project's own base config space; no overlay may take it.
BASE = "base"
CLASSES = "classes"


@dataclass(frozen=True)
class Outside:
    """A folder that holds `classes/NAME/`, from outside of the project.

    `label` is short, is that of no other overlay, and names it in messages and manifests; `origin`
    is the folder or the URL, without secrets; `pin` is the commit that a URL was asked for.
    """

    label: str
    path: Path
    origin: str
    pin: str | None = None

    @property
    def argument(self) -> str:
        """What `--overlay` wants to hear to find it again."""
        return f"{self.origin}#{self.pin}" if self.pin else self.origin


def gather(
    given: Sequence[str],
    site: Path | None,
    kept: Path,
    more: Sequence[tuple[OverlayEntry, Path]] = (),
) -> tuple[Outside, ...]:
    """The overlays of a site, then those that are given; git's are fetched into `kept`.

    `given` holds folders and `URL#COMMIT`s; `site` is the `--site` option; `more` are a facility's,
    each with the folder that it is relative to. One that is named twice counts once. Raises
    UsageError for what is wrong, InfrastructureError for what cannot be fetched.
    """
    entries: list[tuple[OverlayEntry, Path]] = []
    if (file := find(site)) is not None:
        entries += [(entry, file.absolute().parent) for entry in read(file).overlays]
    entries += [*more, *((_entry(text), Path.cwd()) for text in given)]

    found: dict[Path, Outside] = {}
    for entry, here in entries:
        one = _outside(entry, here, kept, {BASE, *(each.label for each in found.values())})
        found.setdefault(one.path, one)
    return tuple(found.values())


def _entry(text: str) -> OverlayEntry:
    """What stands behind `--overlay`: a folder, or `URL#COMMIT`."""
    if "://" not in text:
        return OverlayEntry(folder=text)
    url, _, commit = text.partition("#")
    if not is_url(url):
        raise UsageError(
            f"{git.without_secrets(url)} is no address of an overlay",
            hint=f"addresses start with one of {', '.join(f'{each}://' for each in PROTOCOLS)}",
        )
    if re.fullmatch(COMMIT, commit) is None:
        raise UsageError(
            f"the overlay {git.without_secrets(url)} is not pinned to a commit",
            hint="write --overlay URL#COMMIT, with all 40 digits of the commit",
        )
    return OverlayEntry(url=url, commit=commit)


def _outside(entry: OverlayEntry, here: Path, kept: Path, taken: Iterable[str]) -> Outside:
    if entry.url is not None and entry.commit is not None:
        path = git.at_commit(entry.url, entry.commit, kept).resolve()
        origin, pin, name = git.without_secrets(entry.url), entry.commit, entry.url
    else:
        path = Path(here, entry.folder or "").expanduser().resolve()
        origin, pin, name = str(path), None, path.name
    _check(path, origin)
    return Outside(_label(name, taken), path, origin, pin)


def _check(path: Path, origin: str) -> None:
    """The folder is there, and is laid out as an overlay."""
    if not path.is_dir():
        raise UsageError(
            f"the overlay {origin}: there is no such folder",
            hint=f"an overlay is a folder that holds {CLASSES}/NAME/",
        )
    folder = path / CLASSES
    if folder.is_dir() and not folder.is_symlink():
        return
    better = "; name the folder above it" if path.name == CLASSES else ""
    raise UsageError(
        f"the overlay {origin} has no folder {CLASSES}/{better}",
        hint=f"each class is a folder {CLASSES}/NAME/ in it; `fai-forge new-class` makes one",
    )


def _label(name: str, taken: Iterable[str]) -> str:
    """A short name that no other overlay has, from a folder's name or from a URL."""
    last = name.rstrip("/").rpartition("/")[2].removesuffix(".git")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip(".-") or "overlay"
    known = set(taken)
    label, number = plain, 1
    while label in known:
        number += 1
        label = f"{plain}-{number}"
    return label
