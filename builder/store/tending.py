# SPDX-License-Identifier: GPL-2.0-or-later
"""Promotion, expiry and removal, done: the plans are made and carried out under the store's lock.

The index is replaced first. Files that it names no more are removed afterwards, so whoever is
killed in between leaves a true index and files that the next expiry removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from builder.channels import Channel
from builder.errors import InfrastructureError, UsageError
from builder.manifest.model import SourceCommit
from builder.store import oci, promoting, reading, retention
from builder.store.index import Build, StoreIndex, TagEntry, changed, folder
from builder.store.promoting import Promotion
from builder.store.registry import Registry
from builder.store.retention import EndOfLife, Keeps, Step
from builder.store.tags import TagRow
from builder.store.writing import Publisher


@dataclass(frozen=True)
class Wishes:
    """What is to be promoted: rows of a file, and the tag of this month or not.

    `open_registry` is for the rows about OCI images.
    """

    rows: Sequence[TagRow] = ()
    monthly: bool = False
    open_registry: oci.OpenRegistry = Registry

    @property
    def needs_store(self) -> bool:
        """Whether anything of it is about our own images."""
        return self.monthly or any(not row.is_oci for row in self.rows)


def expire(
    publisher: Publisher,
    channels: Mapping[str, Channel],
    end_of_life: EndOfLife,
    now: datetime,
    keeps: Keeps = lambda _: None,
    *,
    dry_run: bool = False,
) -> tuple[Step, ...]:
    """Hide and remove what the channels do not keep; the steps, also of what stays.

    A dry run only says them.
    """
    with _index(publisher, dry_run=dry_run) as index:
        steps = retention.expiry(index, channels, end_of_life, now, keeps)
        if not dry_run:
            _sweep(publisher, _replaced(publisher, index, retention.applied(index, steps), now))
        return steps


def remove(
    publisher: Publisher, builds: Iterable[tuple[str, Build]], now: datetime, reason: str
) -> tuple[Step, ...]:
    """Remove builds, each given with its series, whatever their channels say; the steps.

    What has a tag, or is gone already, stays as it is.
    """
    wanted = {(name, build.channel, build.serial) for name, build in builds}
    with _index(publisher, dry_run=False) as index:
        steps = tuple(
            Step(entry.name, build, "remove", reason)
            for entry in index.series
            for build in entry.builds
            if (entry.name, build.channel, build.serial) in wanted
            and build.state != "removed"
            and not build.tags
        )
        _sweep(publisher, _replaced(publisher, index, retention.applied(index, steps), now))
        return steps


def pin(publisher: Publisher, name: str, build: Build, tag: TagEntry, now: datetime) -> Build:
    """Give a build of a series a tag that it has elsewhere; the build with it.

    UsageError where the tag is on another build of the series, InfrastructureError where somebody
    removed the build, since the caller saw it.
    """
    with _index(publisher, dry_run=False) as index:
        entry = reading.series(index, name)
        builds = entry.builds if entry else ()
        # As it is now: it may have got another tag meanwhile.
        there = next((each for each in builds if each.serial == build.serial), None)
        if there is None or there.state == "removed" or there.manifest != build.manifest:
            raise InfrastructureError(
                f"{name}-{build.serial} was removed from {publisher.place.url} meanwhile",
                hint="call it again",
            )
        holders = {tag.tag: each.serial for each in builds for tag in each.tags}
        holder = holders.get(tag.tag, build.serial)
        if holder != build.serial:
            raise UsageError(
                f"in {publisher.place.url}, {name} {tag.tag} is {holder}, and not {build.serial}",
                hint="a tag never moves; name the build by its serial",
            )
        if tag.tag in holders:
            return there
        pinned = there.model_copy(update={"tags": (*there.tags, tag)})

        def change(series: str, each: Build) -> Build:
            return pinned if (series, each.serial) == (name, build.serial) else each

        _replaced(publisher, index, changed(index, change), now)
        return pinned


def promote(
    publisher: Publisher | None,
    wishes: Wishes,
    channels: Mapping[str, Channel],
    now: datetime,
    *,
    dry_run: bool = False,
) -> tuple[Promotion, ...]:
    """Create the tags that are wished for, if none of them is refused; what became of each.

    `publisher` is needed for our own images only. Nothing moves in a dry run. A registry that fails
    after the first tag was created makes its own rows fail, and no others.
    """
    images = oci.promotions([row for row in wishes.rows if row.is_oci], wishes.open_registry)
    ours: tuple[Promotion, ...] = ()
    with nullcontext() if publisher is None else _index(publisher, dry_run=dry_run) as index:
        if publisher and index:
            ours = _planned(publisher, index, wishes, channels, now)
        plan = (*ours, *(each.promotion for each in images))
        if dry_run or any(each.outcome == "refused" for each in plan):
            return plan
        if publisher and index:
            _replaced(publisher, index, promoting.applied(index, ours, now), now)
    return (*ours, *(_created(each, wishes.open_registry) for each in images))


def _planned(
    publisher: Publisher,
    index: StoreIndex,
    wishes: Wishes,
    channels: Mapping[str, Channel],
    now: datetime,
) -> tuple[Promotion, ...]:
    def commits(series: str, build: Build) -> Sequence[SourceCommit]:
        return reading.manifest(publisher.place, series, build).build.commits

    rows = [row for row in wishes.rows if not row.is_oci]
    by_file = promoting.promotions(index, rows, commits)
    if not wishes.monthly:
        return by_file
    # A file may give the tag of the month to another build: people know better.
    named = {(each.name, each.tag) for each in by_file}
    by_rule = promoting.monthly(index, channels, now)
    return (*by_file, *(each for each in by_rule if (each.name, each.tag) not in named))


def _created(planned: oci.OciPromotion, open_registry: oci.OpenRegistry) -> Promotion:
    if planned.promotion.outcome != "create":
        return planned.promotion
    try:
        oci.create(planned, open_registry)
    except InfrastructureError as error:
        return replace(planned.promotion, outcome="failed", reason=error.message)
    return planned.promotion


@contextmanager
def _index(publisher: Publisher, *, dry_run: bool) -> Iterator[StoreIndex]:
    """The index, locked unless nothing changes; UsageError in a store without one."""
    missing = UsageError(
        f"there is no index in {publisher.place.url}",
        hint="is that the right store? fai-forge publish makes one",
    )
    # Before the lock, which would make the folder of a store.
    if not reading.is_store(publisher.place):
        raise missing
    with nullcontext() if dry_run else publisher.place.lock():
        index = publisher.current()
        if index is None:
            raise missing
        yield index


def _replaced(publisher: Publisher, old: StoreIndex, new: StoreIndex, now: datetime) -> StoreIndex:
    """The index that is in the store now; one without a change is not written again."""
    if new == old:
        # Somebody may have been killed before all that follows from it was written.
        publisher.settle(old)
        return old
    # Who publishes says for how long an index is valid.
    same = replace(publisher, valid=old.valid_until - old.date)
    return same.replace(old, new.series, now)


def _sweep(publisher: Publisher, index: StoreIndex) -> None:
    """Remove the files of removed builds, those that a killed expiry left, too."""
    for entry in index.series:
        for build in entry.builds:
            if build.state == "removed":
                place = folder(entry.name, build)
                for name in retention.leftovers(build, publisher.place.names(place)):
                    publisher.place.remove(f"{place}/{name}")
