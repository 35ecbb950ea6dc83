# SPDX-License-Identifier: GPL-2.0-or-later
"""A storage pool of libvirt as a target: volumes NAME-SERIAL.qcow2, and NAME.latest.

libvirt cannot rename a volume, and whoever puts an overlay over one must not have it exchanged
under that. So each image keeps its name for good, and the text in the small volume NAME.latest
says which one is the newest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility.amounts import in_words
from builder.facility.kinds import LibvirtTarget, TargetEntry
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.facility.targets import items, serieslist
from builder.facility.targets.pool import Pool, connected
from builder.facility.targets.poolusers import Users
from builder.facility.targets.serieslist import Row, SeriesList
from builder.facility.targets.target import Finding, Held, Item, Placed
from builder.progress import Progress

log = logging.getLogger(__name__)

PROBE: Final = "fai-forge-probe"


def open_target(name: str, entry: TargetEntry, site: Site) -> Libvirt:
    """The target of a `facility.yaml` entry."""
    assert isinstance(entry, LibvirtTarget)
    return Libvirt(name, entry, site.state)


@dataclass(frozen=True)
class Libvirt:
    """A pool of files, such as `default` is, of this host or of another one."""

    name: str
    entry: LibvirtTarget
    state: Path

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it takes, the best one first."""
        return ("qcow2", "raw")

    def check(self) -> tuple[Finding, ...]:
        """Whether the pool is there, and a volume can be made and removed."""
        subject = f"pool {self.entry.pool} of {self.entry.uri}"
        try:
            with self._pool() as pool:
                pool.remove(PROBE)
                pool.create(PROBE, serieslist.SIZE)
                pool.remove(PROBE)
                free = in_words(pool.available)
        except ForgeError as error:
            return (Finding(False, subject, error.message, error.hint),)
        return (Finding(True, subject, f"volumes can be made and removed, {free} are free"),)

    def put(self, item: Item, progress: Progress) -> Placed:
        """Upload an image as a volume, read it back, and then let NAME.latest name it.

        Older ones beyond `keep` are removed, unless something was made from them.
        """
        items.refuse_format(item, self.formats, self.name)
        volume = items.file_name(item)
        with alone(self.state, f"target-{self.name}"), self._pool() as pool:
            known = _read(pool, item.name)
            there = self._is_there(pool, known, item, volume)
            unchanged = there and known.current == volume
            row = Row("good", item.sha256, item.serial, volume)
            if not there:
                items.verify(item, progress)
                known = self._bring(pool, known, item, volume, progress)
            if not unchanged:
                _check(pool, item, volume, progress)
                known = known.with_(row, current=True)
                _write(pool, item.name, known)
            self._prune(pool, item.name, known)
            reference = pool.path(volume) or volume
        return Placed("unchanged" if unchanged else "placed", reference)

    def held(self) -> tuple[Held, ...]:
        """Our volumes that arrived whole."""
        with self._pool() as pool:
            lists = {
                name.removesuffix(serieslist.SUFFIX)
                for name in pool.names()
                if name.endswith(serieslist.SUFFIX)
            }
            users = pool.users() if lists else Users()
            found: list[Held] = []
            for name in sorted(lists):
                try:
                    known = _read(pool, name)
                except UsageError:
                    # Somebody else's volume, which only ends like one of ours.
                    continue
                found += _held(pool, name, known, users)
            return tuple(found)

    def remove(self, held: Held) -> None:
        """Remove one of our volumes that is not current; UsageError if something uses it."""
        with alone(self.state, f"target-{self.name}"), self._pool() as pool:
            known = _read(pool, held.name)
            row = next((row for row in known.rows if pool.path(row.volume) == held.reference), None)
            if row is None:
                return
            if row.volume == known.current:
                raise UsageError(
                    f"{row.volume} is the newest of its series in {pool.where}",
                    hint="put another image first",
                )
            if pool.users().uses(held.reference):
                raise UsageError(
                    f"{row.volume} is in use in {pool.where}",
                    hint="a guest's disk is it, or was made from it; remove that first",
                )
            _remove(pool, held.name, known, row.volume)

    def _is_there(self, pool: Pool, known: SeriesList, item: Item, volume: str) -> bool:
        """Whether the volume arrived whole before; what arrived in part is removed."""
        path, row = pool.path(volume), known.find(volume)
        if path is None:
            return False
        if row is None:
            raise UsageError(
                f"{volume} was in {pool.where} before, and is not ours",
                hint="give it another name; it is not touched",
            )
        if row.state == "good":
            if row.sha256 != item.sha256:
                raise UsageError(
                    f"{volume} in {pool.where} is another image of the same serial",
                    hint="published builds never change; which store is this one of?",
                )
            if pool.size(volume) != item.size:
                raise UsageError(
                    f"{volume} in {pool.where} was changed since it was put there",
                    hint="it is not touched; remove it, and put it there again",
                )
            return True
        users = pool.users()
        if path in users.paths:
            raise UsageError(
                f"{volume} in {pool.where} is in use, and did not arrive whole",
                hint="remove the guest that was made from it",
            )
        pool.remove(volume)
        return False

    def _bring(
        self, pool: Pool, known: SeriesList, item: Item, volume: str, progress: Progress
    ) -> SeriesList:
        """Upload an image into a new volume, which is ours from the beginning."""
        found = item.path.stat()
        needed = min(found.st_size, found.st_blocks * 512)
        if pool.available < needed:
            raise InfrastructureError(
                f"{pool.where} has {in_words(pool.available)} left, and {in_words(needed)} are"
                " needed",
                hint="make room there",
            )
        known = known.with_(Row("sent", item.sha256, item.serial, volume))
        _write(pool, item.name, known)
        pool.remove(volume)
        pool.create(volume, item.size)
        progress.stage(f"Uploading {items.label(item)} to {pool.where}")
        pool.upload(volume, item.path, items.meter(progress, item.size))
        pool.refresh()
        return known

    def _prune(self, pool: Pool, name: str, known: SeriesList) -> None:
        """Remove what is older than those that stay, and in nobody's use."""
        none = Users()
        if not items.superseded(_held(pool, name, known, none), name, self.entry.keep):
            return
        users = pool.users()
        if users.unknown:
            log.warning(
                "%s: no older image of %s is removed, since it may be in use: %s is in no pool",
                self.name,
                name,
                ", ".join(users.unknown),
            )
        for each in items.superseded(_held(pool, name, known, users), name, self.entry.keep):
            known = _remove(pool, name, known, Path(each.reference).name)

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        with connected(self.entry.uri, self.entry.pool) as pool:
            pool.refresh()
            yield pool


def _check(pool: Pool, item: Item, volume: str, progress: Progress) -> None:
    """Raise InfrastructureError unless a volume holds an image, and libvirt sees it as one."""
    progress.stage(f"Verifying {items.label(item)} in {pool.where}")
    if pool.digest(volume, items.meter(progress, item.size)) != item.sha256:
        raise InfrastructureError(
            f"{volume} in {pool.where} is not what was uploaded",
            hint="it is not used under the series' name; call this again",
        )
    expected = (item.format, items.virtual_size(item.path, item.format))
    if pool.disk(volume) != expected:
        raise InfrastructureError(
            f"libvirt takes {volume} for {pool.disk(volume)}, and it is {expected}",
            hint="it is not used under the series' name",
        )


def _held(pool: Pool, name: str, known: SeriesList, users: Users) -> list[Held]:
    paths = {row: pool.path(row.volume) for row in known.rows if row.state == "good"}
    return [
        Held(name, row.serial, path, row.volume == known.current, users.uses(path))
        for row, path in paths.items()
        if path is not None
    ]


def _read(pool: Pool, name: str) -> SeriesList:
    volume = f"{name}{serieslist.SUFFIX}"
    if pool.path(volume) is None:
        return SeriesList()
    content = pool.read(volume, serieslist.SIZE)
    # Killed between making it and writing it.
    if not content.strip(b"\0"):
        return SeriesList()
    return SeriesList.read(content, f"{volume} in {pool.where}")


def _write(pool: Pool, name: str, known: SeriesList) -> None:
    pool.write(f"{name}{serieslist.SUFFIX}", known.text())


def _remove(pool: Pool, name: str, known: SeriesList, volume: str) -> SeriesList:
    """Remove a volume of ours; as long as it is there, it is known as ours."""
    pool.remove(volume)
    known = known.without(volume)
    _write(pool, name, known)
    return known
