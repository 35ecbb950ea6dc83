# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloaded .debs, kept across builds by their sha256, and a pool of them for one build.

A .deb is stored under its digest and hashed again every time it is used, while it is copied: what
a build installs is what the signed index names, whoever may have touched the cache. Names appear
by rename only, so that any number of builds may share the cache.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.archive.aptroot import AptRoot, list_prefix
from builder.archive.predict import Candidate
from builder.archive.sources import Source
from builder.errors import InfrastructureError
from builder.models import AptSource
from builder.run import CommandError, run

log = logging.getLogger(__name__)

CHUNK = 1 << 20
# A command line holds a few thousand package names; stay far below the kernel's limit.
BATCH = 500


@dataclass(frozen=True)
class Fetched:
    """What a download did: how many .debs there were, and how many bytes came over the network."""

    packages: int
    downloaded: int
    bytes: int


@dataclass(frozen=True)
class DebCache:
    """The folder of .debs that all builds share."""

    path: Path

    def fetch(
        self,
        root: AptRoot,
        candidates: Sequence[Candidate],
        pool: Path,
        on_package: Callable[[int, int], None],
    ) -> Fetched:
        """Put the candidates' .debs into `pool`, at their paths in the archive.

        Those that the cache lacks, or holds damaged, are downloaded by apt, which verifies them.
        `on_package` is told how many are there, of how many.
        """
        missing = self._place(candidates, pool)
        done = len(candidates) - len(missing)
        on_package(done, len(candidates))
        amount = sum(candidate.package.size or 0 for candidate in missing)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            self._download(root, batch)
            done += len(batch)
            on_package(done, len(candidates))
        if left := self._place(missing, pool):
            raise InfrastructureError(
                f"{left[0].package.name}: the downloaded file is not what the signed index says",
                hint="the mirror is broken or was changed meanwhile; use another one (--mirror)",
            )
        return Fetched(len(candidates), len(missing), amount)

    def find(self, digest: str) -> Path | None:
        """The .deb with this sha256 if the cache has it, undamaged."""
        path = self._at(digest)
        try:
            return path if _digest(path) == digest else None
        except FileNotFoundError:
            return None

    def _place(self, candidates: Iterable[Candidate], pool: Path) -> list[Candidate]:
        """Copy what the cache has into the pool; return what it lacks or holds damaged."""
        items = list(candidates)
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as workers:
            placed = list(workers.map(lambda item: self._copy(item, pool), items))
        return [item for item, there in zip(items, placed, strict=True) if not there]

    def _copy(self, candidate: Candidate, pool: Path) -> bool:
        """Copy one .deb, hashing what is copied; False, and out of the cache, if it is not good."""
        digest = candidate.package.sha256
        assert digest is not None
        cached = self._at(digest)
        first, *others = (pool / _safe(path) for path in candidate.paths)
        first.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = _copy_hashed(cached, first)
        except FileNotFoundError:
            return False
        if found != digest:
            log.warning("%s in the cache was damaged; it is downloaded again", cached.name)
            first.unlink()
            cached.unlink(missing_ok=True)
            return False
        for other in others:
            other.parent.mkdir(parents=True, exist_ok=True)
            other.hardlink_to(first)
        return True

    def _download(self, root: AptRoot, candidates: Sequence[Candidate]) -> None:
        """Let apt download and verify some packages, then keep them under their digests."""
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".download-") as folder:
            packages = [candidate.package for candidate in candidates]
            names = [f"{package.name}={package.version}" for package in packages]
            try:
                run(
                    ["apt-get", "download", "-q", *names],
                    env=root.environment,
                    cwd=Path(folder),
                    timeout=7200,
                )
            except CommandError as error:
                raise InfrastructureError(
                    "packages could not be downloaded and verified",
                    hint=f"apt said:\n{error.done.output.strip()}\n"
                    "Check the network, the mirror and the cache's free space, then try again.",
                ) from error
            for file in Path(folder).glob("*.deb"):
                target = self._at(_digest(file))
                target.parent.mkdir(exist_ok=True)
                file.replace(target)

    def _at(self, digest: str) -> Path:
        """Where the .deb with this digest is kept."""
        return self.path / digest[:2] / f"{digest}.deb"


@dataclass(frozen=True)
class Supply:
    """What a build installs from: verified indexes, and sources that look into the pool first.

    `sources`, and the folders that they need, are for use inside a root file system that is being
    made; `root` is the apt root that they stand for.
    """

    root: AptRoot
    releases: tuple[AptSource, ...]
    sources: tuple[Source, ...]
    lists: Path
    mirrors: Path
    pool: Path

    @property
    def newest(self) -> int:
        """The date of the newest index, in seconds."""
        return int(max(each.date.timestamp() for each in self.releases if each.date))


def open_supply(root: AptRoot, folder: Path, pool: Path) -> Supply:
    """Refresh an apt root and copy what a build needs of it into `folder`."""
    releases = root.refresh()
    sources = _write_mirror_lists(root.sources, pool, folder / "mirrors")
    _copy_lists(root, sources, folder / "lists")
    return Supply(root, releases, sources, folder / "lists", folder / "mirrors", pool)


def _write_mirror_lists(sources: Sequence[Source], pool: Path, folder: Path) -> tuple[Source, ...]:
    """The same sources for use inside a build: first the pool, then the mirror itself.

    apt's mirror method reads each archive's alternatives from a file in `folder`. Inside an image
    the mirror is then known by that file's name only.
    """
    folder.mkdir(parents=True)
    inside = []
    for source in sources:
        file = folder / ("security.list" if source.is_security else "main.list")
        file.write_text(f"file:{pool}\tpriority:1\n{source.uri}\tpriority:2\n", encoding="utf-8")
        inside.append(
            Source(f"mirror+file:{file}", source.suites, source.components, source.signed_by)
        )
    return tuple(inside)


def _copy_lists(root: AptRoot, inside: Sequence[Source], folder: Path) -> None:
    """Give a build the indexes that were verified, under the names that its own sources imply."""
    (folder / "partial").mkdir(parents=True)
    with root.locked():
        for ours, theirs in zip(root.sources, inside, strict=True):
            old, new = list_prefix(ours.uri), list_prefix(theirs.uri)
            for suite in ours.suites:
                for file in root.lists.glob(f"{old}_dists_{suite}_*"):
                    shutil.copyfile(file, folder / (new + file.name.removeprefix(old)))


def _safe(path: str) -> str:
    """A path of the archive that stays below the pool."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InfrastructureError(
            f"the archive's index holds a path that leaves the archive: {path}",
            hint="use another mirror (--mirror), and report this one",
        )
    return path


def _copy_hashed(source: Path, target: Path) -> str:
    """Copy a file and return the sha256 of what was written."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
