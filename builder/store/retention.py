# SPDX-License-Identifier: GPL-2.0-or-later
"""Expiry: which builds of a store are hidden, which are removed, which stay, and why.

Nothing here changes a store. `builder.channels` says how long a channel keeps its builds; above it
stand two rules that no channel changes: a build with a tag stays for ever, since somebody may have
pinned it, and so does the newest public build of a series. Whatever is not understood is an error,
and then nothing expires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from builder import names
from builder.channels import Channel
from builder.errors import InfrastructureError, UsageError
from builder.spans import in_words
from builder.store.index import SUMS, Build, SeriesEntry, State, StoreIndex, changed

Action = Literal["keep", "hide", "remove"]
# The last day of a series' release, None if it has none yet; an error where nobody knows.
EndOfLife = Callable[[SeriesEntry], date | None]
# How many builds of a series its channel keeps, where that is not as the channel says for all.
Keeps = Callable[[SeriesEntry], int | None]

# What each action makes of a build.
STATES: Final[Mapping[str, State]] = {"hide": "hidden", "remove": "removed"}
SIGNATURES = ("", ".asc", ".gpg")


@dataclass(frozen=True)
class Step:
    """What happens to one build, and why."""

    series: str
    build: Build
    action: Action
    reason: str


def expiry(
    index: StoreIndex,
    channels: Mapping[str, Channel],
    end_of_life: EndOfLife,
    now: datetime,
    keeps: Keeps = lambda _: None,
) -> tuple[Step, ...]:
    """What happens to each build that has files, by series, the oldest first.

    `keeps` is asked for channels with `keep_last` only. Raises UsageError for a channel, or a
    release's end of life, that nobody knows, and InfrastructureError for an index that is ahead of
    `now`.
    """
    _check_times(index, now)
    return tuple(
        step for entry in index.series for step in _steps(entry, channels, end_of_life, now, keeps)
    )


def surplus(entry: SeriesEntry, channel: str, keep: int) -> tuple[Build, ...]:
    """The builds of a series in a channel that are not the newest `keep`, the oldest first.

    What has a tag is none of them, although it counts.
    """
    held = [each for each in entry.builds if each.channel == channel and each.state != "removed"]
    held.sort(key=lambda build: names.serial_key(build.serial))
    return tuple(each for each in held[: max(len(held) - keep, 0)] if not each.tags)


def applied(index: StoreIndex, steps: Iterable[Step]) -> StoreIndex:
    """The index after the steps; a removed build keeps its entry, and its manifest."""
    states = {
        (step.series, step.build.channel, step.build.serial): STATES[step.action]
        for step in steps
        if step.action in STATES
    }

    def change(series: str, build: Build) -> Build:
        state = states.get((series, build.channel, build.serial), build.state)
        # An index names no file that is not there.
        files = {"images": (), "metadata": None, "deltas": ()} if state == "removed" else {}
        return build.model_copy(update={"state": state, **files})

    return changed(index, change)


def leftovers(build: Build, present: Iterable[str]) -> tuple[str, ...]:
    """The files of a removed build that are still there, by name.

    The manifest stays, and so do the signed lists that vouch for it.
    """
    stays = {build.manifest.name}
    stays |= {f"{name}{suffix}" for name in (build.sums.name, *SUMS) for suffix in SIGNATURES}
    return tuple(sorted(set(present) - stays))


def _check_times(index: StoreIndex, now: datetime) -> None:
    """Raise InfrastructureError where something was published later than now."""
    ahead = ["the index"] if index.date > now else []
    ahead += [
        f"{entry.name}-{build.serial}"
        for entry in index.series
        for build in entry.builds
        if build.published > now or build.serial[:8] > f"{now:%Y%m%d}"
    ]
    if ahead:
        raise InfrastructureError(
            f"{ahead[0]} is from the future: it is {now:%Y-%m-%d %H:%M} here",
            hint="correct the clock of this machine, or of the one that published it",
        )


def _steps(
    entry: SeriesEntry,
    channels: Mapping[str, Channel],
    end_of_life: EndOfLife,
    now: datetime,
    keeps: Keeps,
) -> Iterator[Step]:
    newest = _newest(entry, channels)
    for build in entry.builds:
        if build.state == "removed":
            continue
        channel = _channel(entry, build, channels)
        # Asked for those that stay, too: what is not understood must not wait for the last tag.
        ends = end_of_life(entry) if channel.released else None
        for_ever = _for_ever(build, newest)
        if for_ever:
            yield Step(entry.name, build, "keep", for_ever)
        elif channel.released:
            yield Step(entry.name, build, *_by_release(entry, channel, ends, now.date()))
        elif channel.keep_last is not None:
            yield Step(
                entry.name, build, *_by_count(entry, build, keeps(entry) or channel.keep_last)
            )
        else:
            yield Step(entry.name, build, *_by_age(build, channel, now))


def _channel(entry: SeriesEntry, build: Build, channels: Mapping[str, Channel]) -> Channel:
    if build.channel not in channels:
        raise UsageError(
            f"{entry.name}-{build.serial} is in the channel {build.channel}, which images.yaml does"
            f" not have{names.did_you_mean(build.channel, channels)}",
            hint=f"write it below channels:; there are: {', '.join(channels) or 'none'}",
        )
    return channels[build.channel]


def _newest(entry: SeriesEntry, channels: Mapping[str, Channel]) -> dict[str, str]:
    """The newest public builds by serial, each with the words for it: of all, and of released ones.

    Both may be what people call the latest one: a daily build does not replace a released one.
    """
    public = [build for build in entry.builds if build.state == "public"]
    released = [
        build for build in public if build.channel in channels and channels[build.channel].released
    ]
    kinds = (("the newest released build", released), ("the newest build", public))
    return {
        max((build.serial for build in builds), key=names.serial_key): words
        for words, builds in kinds
        if builds
    }


def _for_ever(build: Build, newest: Mapping[str, str]) -> str:
    """Why a build stays whatever its channel says; empty where it does not."""
    if build.tags:
        return f"tagged {', '.join(entry.tag for entry in build.tags)}"
    return newest.get(build.serial, "") if build.state == "public" else ""


def _by_release(
    entry: SeriesEntry, channel: Channel, ends: date | None, today: date
) -> tuple[Action, str]:
    if ends is None:
        return "keep", "its release has no end of life yet"
    release = f"{entry.distro} {entry.release}"
    grace = channel.grace or timedelta()
    last = ends + grace
    if today <= last:
        more = f", and {in_words(grace)}" if grace else ""
        return "keep", f"until {last}: {release} ends on {ends}{more}"
    more = f", more than {in_words(grace)} ago" if grace else ""
    return "remove", f"{release} ended on {ends}{more}"


def _by_count(entry: SeriesEntry, build: Build, keep: int) -> tuple[Action, str]:
    newer = f"there are {keep} newer ones" if keep > 1 else "there is a newer one"
    if build in surplus(entry, build.channel, keep):
        return "remove", newer
    return "keep", f"one of the newest {keep}"


def _by_age(build: Build, channel: Channel, now: datetime) -> tuple[Action, str]:
    assert channel.delete_after is not None
    limits: list[tuple[Action, timedelta, str]] = [("remove", channel.delete_after, "removed")]
    if channel.hide_after is not None and build.state == "public":
        limits.insert(0, ("hide", channel.hide_after, "hidden"))
    age = now - build.published
    old = f"{in_words(timedelta(days=age.days))} old"
    passed = [limit for limit in limits if age >= limit[1]]
    if not passed:
        _, limit, done = limits[0]
        return "keep", f"{old}; {done} after {in_words(limit)}"
    action, limit, done = passed[-1]
    return action, f"{old}; {build.channel} builds are {done} after {in_words(limit)}"
