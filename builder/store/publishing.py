# SPDX-License-Identifier: GPL-2.0-or-later
"""Publishing one build: upload, verify, rename, and name it in the index last.

Until the index names a build, it is not published, whatever lies in its folder. So a publisher may
be killed at any point: the old index stays true, and the next try goes on where this one ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from builder import names
from builder.errors import CheckError, UsageError
from builder.progress import Progress
from builder.store import gathering, reading
from builder.store.gathering import LocalFile, Parcel
from builder.store.incus_metadata import starts_signed
from builder.store.index import SUMS, Build, Delta, Digest, SeriesEntry, StoreIndex, folder
from builder.store.place import Place
from builder.store.staging import bring
from builder.store.writing import Publisher


@dataclass(frozen=True)
class Published:
    """What became of a build: it is in the store's index, at `folder`, since now or before."""

    answer: Literal["published", "unchanged"]
    build: Build
    folder: str
    index: StoreIndex


def publish(
    publisher: Publisher,
    parcel: Parcel,
    channel: str,
    now: datetime,
    progress: Progress,
    *,
    title: str = "",
    unverified: bool = False,
    deltas: Sequence[Delta] = (),
    origin: str = "",
    restore: bool = False,
) -> Published:
    """Publish a build in a channel; nothing happens if it is there with the same content.

    `title` is what people call the series, if not as its manifest says. `deltas` are files of the
    parcel, `origin` is where a site took the build from. With `restore`, a build that was removed
    comes back, if it has the very manifest that stayed.

    Raises UsageError where its name is there with other content, and CheckError where a check or a
    boot failed, or was never tried, unless `unverified` allows that; the index then says so.
    """
    manifest = parcel.manifest
    doubts = gathering.doubts(manifest)
    build = _build(parcel, channel, now, doubts).model_copy(
        update={"deltas": tuple(deltas), "origin": origin}
    )
    with publisher.place.lock():
        index = publisher.current()
        entry = reading.series(index, manifest.name) if index else None
        there = _there(entry, build)
        back = there is not None and restore and _removed_one(there, build)
        if index and there and not back:
            _same(publisher.place, parcel, there, channel)
            publisher.settle(index)
            return Published("unchanged", there, folder(manifest.name, there), index)
        if doubts and not unverified:
            raise CheckError(
                f"{manifest.name}-{manifest.serial} is not verified: {'; '.join(doubts)}",
                hint=f"fai-forge boot {manifest.name}-{manifest.serial} tries it;"
                " --force-unverified publishes it all the same, and the index says so for ever",
            )
        final = folder(manifest.name, build)
        bring(publisher.place, publisher.signer, parcel, final, progress)
        progress.stage("Writing the index")
        new = publisher.replace(index, _with(index, parcel, build, title), now)
        return Published("published", build, final, new)


def _build(parcel: Parcel, channel: str, now: datetime, doubts: Sequence[str]) -> Build:
    document, metadata = parcel.document, parcel.metadata
    return Build(
        serial=parcel.manifest.serial,
        channel=channel,
        published=now,
        images=parcel.images(),
        manifest=_digest(document),
        sums=gathering.digest_of(SUMS[0], parcel.sums()[SUMS[0]]),
        metadata=_digest(metadata) if metadata else None,
        secure_boot=starts_signed(parcel.manifest),
        unverified=tuple(doubts),
    )


def _digest(file: LocalFile) -> Digest:
    return Digest(name=file.name, size=file.size, sha256=file.sha256)


def _there(entry: SeriesEntry | None, build: Build) -> Build | None:
    found = (each for each in entry.builds if each.serial == build.serial) if entry else ()
    return next(iter(found), None)


def _removed_one(there: Build, build: Build) -> bool:
    """Whether a build is the one that was removed, by its manifest, and in the same channel."""
    return (there.state, there.manifest, there.channel) == (
        "removed",
        build.manifest,
        build.channel,
    )


def _same(place: Place, parcel: Parcel, there: Build, channel: str) -> None:
    """Raise UsageError unless the store has this very build."""
    name = f"{parcel.manifest.name}-{there.serial}"
    if there.state == "removed":
        raise UsageError(
            f"{name} was in {place.url} and was removed",
            hint="a serial is never used again: build it anew",
        )
    # What was made for the first publication, such as a report, may be worded anew by now.
    published = reading.sums(place, parcel.manifest.name, there)
    other = [
        file.name
        for file in parcel.files
        if not file.made and published.get(file.name) != file.sha256
    ]
    if other:
        raise UsageError(
            f"{name} is in {place.url} with other content: {', '.join(other)}",
            hint="what is published is never replaced: build it anew, under the next serial",
        )
    if there.channel != channel:
        raise UsageError(
            f"{name} is in {place.url} in the channel {there.channel}",
            hint="a build is in one channel; fai-forge promote gives it more names",
        )


def _with(
    index: StoreIndex | None, parcel: Parcel, build: Build, title: str
) -> tuple[SeriesEntry, ...]:
    """All series, with one build more."""
    manifest = parcel.manifest
    known = index.series if index else ()
    named = next((entry.builds for entry in known if entry.name == manifest.name), ())
    before = [each for each in named if each.serial != build.serial]
    builds = sorted((*before, build), key=lambda each: names.serial_key(each.serial))
    entry = SeriesEntry(
        name=manifest.name,
        title=title or manifest.title,
        distro=manifest.distro,
        release=manifest.release,
        codename=manifest.codename,
        arch=manifest.arch,
        roles=manifest.roles,
        builds=tuple(builds),
    )
    return (*(each for each in known if each.name != manifest.name), entry)
