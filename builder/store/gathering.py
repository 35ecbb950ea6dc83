# SPDX-License-Identifier: GPL-2.0-or-later
"""What is published of a build: all files of its folder, their digests, and what speaks against it.

The build's folder is only read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from builder.builds import Built
from builder.errors import CheckError, UsageError
from builder.manifest import document
from builder.manifest.imported import Document
from builder.manifest.model import Verdict
from builder.manifest.parts import FileName
from builder.store.incus_metadata import ROOTS, SUFFIX, fingerprint
from builder.store.index import NO_BOOT, SUMS, Digest, Image

FILE_NAME: Final = TypeAdapter(FileName)
# Made for each publication: systemd's importctl wants the signature of SHA256SUMS as bytes, in a
# file that ends in .gpg; people find .asc.
SIGNATURES: Final[dict[str, tuple[str, bool]]] = {
    "SHA256SUMS.gpg": ("SHA256SUMS", False),
    "SHA256SUMS.asc": ("SHA256SUMS", True),
    "SHA512SUMS.asc": ("SHA512SUMS", True),
}
PIECE: Final = 1 << 20


@dataclass(frozen=True)
class LocalFile:
    """One file of a build on this machine, with its digests in hexadecimal."""

    path: Path
    size: int
    sha256: str
    sha512: str
    made: bool
    """Whether it was made for this publication, and so may be another one the next time."""

    @property
    def name(self) -> str:
        """Its name, here and in the store."""
        return self.path.name


@dataclass(frozen=True)
class Parcel:
    """A build that is ready to be published; its files are sorted by name.

    Of a site's copy not all of the manifest's files need to be there.
    """

    manifest: Document
    document: LocalFile
    files: tuple[LocalFile, ...]

    @property
    def metadata(self) -> LocalFile | None:
        """The tarball that Incus and LXD read, if there is one."""
        return next((file for file in self.files if file.name.endswith(SUFFIX)), None)

    def images(self) -> tuple[Image, ...]:
        """The images as the index names them; those that Incus and LXD take are read once more."""
        metadata = self.metadata.path.read_bytes() if self.metadata else None
        paths = {file.name: file.path for file in self.files}
        return tuple(
            Image(
                name=each.name,
                size=each.size,
                sha256=each.sha256,
                format=each.format,
                fingerprint=(
                    fingerprint(metadata, paths[each.name])
                    if metadata is not None and each.format in ROOTS
                    else None
                ),
            )
            for each in self.manifest.files
            if each.name in paths
        )

    def sums(self) -> dict[str, bytes]:
        """The lists of digests by name, in GNU's form: DIGEST, two spaces, NAME."""
        short = "".join(f"{file.sha256}  {file.name}\n" for file in self.files)
        long = "".join(f"{file.sha512}  {file.name}\n" for file in self.files)
        return dict(zip(SUMS, (short.encode(), long.encode()), strict=True))


def gather(built: Built, more: Sequence[Path] = (), *, some: bool = False) -> Parcel:
    """The files of a build's folder, with their digests, compared with the manifest.

    `more` are files that were made for this publication, such as a report. With `some`, a site has
    only some of the images. Raises UsageError for what cannot be published, and CheckError where a
    file is not the one that was built.
    """
    manifest = document.load_any(built.manifest)
    if (manifest.name, manifest.serial) != (built.name, built.serial):
        raise UsageError(
            f"{built.manifest} is the manifest of {manifest.name}-{manifest.serial}",
            hint="somebody put it into the wrong folder; build it again",
        )
    paths = sorted((*built.folder.iterdir(), *more), key=lambda path: path.name)
    files = tuple(_digested(path, made=path in more) for path in _publishable(paths))
    by_name = {file.name: file for file in files}
    for built_file in manifest.files:
        found = by_name.get(built_file.name)
        if some and found is None:
            continue
        if found is None or (found.sha256, found.sha512) != (built_file.sha256, built_file.sha512):
            raise CheckError(
                f"{built.folder / built_file.name}"
                f" {'is missing' if found is None else 'is not what was built'}",
                hint=f"the manifest has another digest; build {built.name} again",
            )
    return Parcel(manifest, by_name[built.manifest.name], files)


def doubts(manifest: Document) -> tuple[str, ...]:
    """What speaks against publishing a build: what failed, and what was never tried."""
    return (
        *_doubts("check", "no check was made", manifest.checks),
        *_doubts("boot", NO_BOOT, manifest.boots),
    )


def digest_of(name: str, content: bytes) -> Digest:
    """The index's entry of a small file."""
    return Digest(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _doubts(kind: str, none: str, verdicts: Sequence[Verdict]) -> Iterator[str]:
    if not verdicts:
        yield none
    for each in verdicts:
        if each.verdict != "passed":
            yield f"the {kind} {each.name} {each.verdict}"


def _publishable(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, if all are regular files with proper names that are not given by us."""
    seen: set[str] = set()
    for path in paths:
        wrong = _wrong(path, seen)
        if wrong:
            raise UsageError(f"{path} cannot be published: {wrong}", hint="move it away")
        seen.add(path.name)
        yield path


def _wrong(path: Path, seen: set[str]) -> str:
    """Why a path cannot be published; empty if it can."""
    if path.is_symlink() or not path.is_file():
        return "a published build has regular files, no links and no folders"
    if path.name in (*SUMS, *SIGNATURES):
        return "the lists of digests are made when a build is published"
    if path.name in seen:
        return "two files have this name"
    try:
        FILE_NAME.validate_python(path.name)
    except ValidationError:
        return "names have letters, digits and . _ + ~ -, and begin with a letter or a digit"
    return ""


def _digested(path: Path, *, made: bool) -> LocalFile:
    short, long, size = hashlib.sha256(), hashlib.sha512(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            short.update(piece)
            long.update(piece)
            size += len(piece)
    return LocalFile(path, size, short.hexdigest(), long.hexdigest(), made)
