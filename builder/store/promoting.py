# SPDX-License-Identifier: GPL-2.0-or-later
"""Promotion: which builds of a store get which tags, and which tags are refused.

Nothing here changes a store. A tag never moves: charts and testbeds pin it. Whether a tag is
already where it should be is a question about digests, since two builds may be the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from builder import names
from builder.channels import Channel
from builder.manifest.model import SourceCommit
from builder.store.index import Build, SeriesEntry, StoreIndex, TagEntry, changed
from builder.store.tags import TagRow

# What a row is about: it is so already, it is (to be) made so, it may not be, or it did not work.
Outcome = Literal["there", "create", "refused", "failed"]
# The commits in the manifest of a build of a series.
CommitsOf = Callable[[str, Build], Sequence[SourceCommit]]
# As much of a commit as a person needs to see.
SHORT = 12


@dataclass(frozen=True)
class Promotion:
    """What happens to one tag, and why; `source` is a serial, or a tag in a registry."""

    name: str
    tag: str
    source: str
    outcome: Outcome
    reason: str
    reference: str = ""
    channel: str = ""
    """The channel that the build is in; empty where there is no such build."""


def promotions(
    index: StoreIndex, rows: Iterable[TagRow], commits_of: CommitsOf
) -> tuple[Promotion, ...]:
    """What each row would do, in their order; none is about an OCI image."""
    series = {entry.name: entry for entry in index.series}
    return tuple(_promotion(row, series, commits_of) for row in rows)


def monthly(
    index: StoreIndex, channels: Mapping[str, Channel], now: datetime
) -> tuple[Promotion, ...]:
    """The tag of this month, such as 202611, for the first build of the month that is fit for it.

    That is of each series the public one with the smallest serial of the month, in a channel that
    keeps its builds until the end of life, with nothing that failed. It is the same build on
    whichever day of the month one asks.
    """
    tag = f"{now:%Y%m}"
    return tuple(
        Promotion(
            entry.name,
            tag,
            build.serial,
            "there" if known else "create",
            "the month has its tag" if known else "the first build of the month",
            reference=f"the first build of {now:%Y-%m}",
            channel=build.channel,
        )
        for entry in index.series
        for build, known in _of_month(entry, tag, channels)
    )


def applied(index: StoreIndex, plan: Iterable[Promotion], now: datetime) -> StoreIndex:
    """The index with all new tags; what has a tag is public, even if it was hidden before."""
    new: dict[tuple[str, str, str], list[TagEntry]] = {}
    for each in plan:
        if each.outcome == "create":
            entry = TagEntry(tag=each.tag, date=now, reference=each.reference)
            new.setdefault((each.name, each.channel, each.source), []).append(entry)

    def change(series: str, build: Build) -> Build:
        tags = new.get((series, build.channel, build.serial))
        if not tags:
            return build
        return build.model_copy(update={"state": "public", "tags": (*build.tags, *tags)})

    return changed(index, change)


def _promotion(row: TagRow, series: Mapping[str, SeriesEntry], commits_of: CommitsOf) -> Promotion:
    """What one row does: the first thing that stands against it is the reason."""

    def answer(outcome: Outcome, reason: str, channel: str = "") -> Promotion:
        return Promotion(
            row.name, row.tag, row.src_build_tag, outcome, reason, row.src_ref, channel
        )

    entry = series.get(row.name)
    if entry is None:
        near = names.did_you_mean(row.name, series)
        return answer("refused", f"the store has no {row.name}{near}")
    build = _build(entry, row.src_build_tag)
    if build is None:
        serials = [each.serial for each in entry.builds]
        near = names.did_you_mean(row.src_build_tag, serials)
        return answer("refused", f"{row.name} has no build {row.src_build_tag}{near}")
    holder = _holder(entry, row.tag)
    if holder is not None:
        if _same(holder, build):
            return answer("there", f"{holder.serial} has it", build.channel)
        return answer("refused", f"it is on {holder.serial}, which is another image, and stays")
    against = _against(row, build, commits_of)
    if against:
        return answer("refused", against)
    return answer("create", f"built from {row.commit[:SHORT]}", build.channel)


def _build(entry: SeriesEntry, serial: str) -> Build | None:
    """The build with a serial; where two channels have it, the one that can be found longer."""
    order = ("public", "hidden", "removed")
    found = [build for build in entry.builds if build.serial == serial]
    return min(found, key=lambda build: order.index(build.state), default=None)


def _holder(entry: SeriesEntry, tag: str) -> Build | None:
    """The build that a tag is on."""
    return next(
        (build for build in entry.builds if any(each.tag == tag for each in build.tags)), None
    )


def _same(one: Build, other: Build) -> bool:
    """Whether two entries are of the same images, whatever they are called."""
    digests = [frozenset(image.sha256 for image in build.images) for build in (one, other)]
    return one is other or (bool(digests[0]) and digests[0] == digests[1])


def _against(row: TagRow, build: Build, commits_of: CommitsOf) -> str:
    """Why a build cannot get a new tag; empty if it can."""
    if build.state == "removed":
        return f"{build.serial} was removed; only its manifest is left"
    if build.unverified:
        return f"{build.serial} was published unverified: {', '.join(build.unverified)}"
    commits = commits_of(row.name, build)
    if not any(each.commit == row.commit for each in commits):
        built = ", ".join(_in_words(each) for each in commits) or "no commit that is known"
        return f"{build.serial} was built from {built}, not from {row.commit[:SHORT]}"
    if any(each.dirty for each in commits):
        dirty = ", ".join(each.overlay for each in commits if each.dirty)
        return f"{build.serial} was built with changes that no commit holds: {dirty}"
    return ""


def _in_words(source: SourceCommit) -> str:
    return f"{(source.commit or 'no commit')[:SHORT]} ({source.overlay})"


def _of_month(
    entry: SeriesEntry, tag: str, channels: Mapping[str, Channel]
) -> Iterator[tuple[Build, bool]]:
    """The build that has a month's tag, or else is to get it, and whether it has it; or nothing."""
    holder = _holder(entry, tag)
    if holder is not None:
        yield holder, True
        return
    fit = [
        build
        for build in entry.builds
        if build.serial.startswith(tag) and build.state == "public" and not build.unverified
        if build.channel in channels and channels[build.channel].released
    ]
    if fit:
        yield min(fit, key=lambda build: names.serial_key(build.serial)), False
