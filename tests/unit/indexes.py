# SPDX-License-Identifier: GPL-2.0-or-later
"""Indexes of made-up stores, one line for each build."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from builder import names
from builder.store.index import Build, Digest, Image, SeriesEntry, State, StoreIndex, TagEntry

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# Bytes of each image.
SIZE = 311_230_464
STATES: tuple[State, ...] = ("public", "hidden", "removed")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def build(series: str, text: str) -> Build:
    """`CHANNEL SERIAL [hidden|removed] [tag=T]... [disk=D] [unverified]`.

    It was published at noon of its serial's day; builds with the same `disk` have the same image.
    """
    channel, serial, *more = text.split()
    said = [word.partition("=") for word in more]
    values = {key: value for key, _, value in said}
    state: State = next((state for state in STATES if state in values), "public")
    name = f"{series}-{serial}"
    day = datetime.strptime(f"{serial[:8]} 12 +0000", "%Y%m%d %H %z")
    disk = Image(
        name=f"{name}.qcow2", size=SIZE, sha256=sha256(values.get("disk", name)), format="qcow2"
    )
    return Build(
        serial=serial,
        channel=channel,
        published=day,
        state=state,
        images=() if state == "removed" else (disk,),
        metadata=(
            None
            if state == "removed"
            else Digest(name=f"{name}.incus.tar.xz", size=10, sha256=sha256(f"{name} metadata"))
        ),
        manifest=Digest(name=f"{name}.manifest.json", size=10, sha256=sha256(f"{name} manifest")),
        sums=Digest(name="SHA256SUMS", size=10, sha256=sha256(f"{name} sums")),
        tags=tuple(TagEntry(tag=value, date=day) for key, _, value in said if key == "tag"),
        unverified=("boot-uefi",) if "unverified" in values else (),
    )


def series(name: str, *builds: str) -> SeriesEntry:
    parsed = names.parse(name)
    return SeriesEntry(
        name=name,
        title=names.title(parsed),
        distro=parsed.distro,
        release=parsed.release,
        codename=names.codename(parsed),
        arch=parsed.arch,
        roles=parsed.roles,
        builds=tuple(build(name, text) for text in builds),
    )


def index(*entries: SeriesEntry, date: datetime = NOW) -> StoreIndex:
    return StoreIndex(serial=7, date=date, valid_until=date + timedelta(days=30), series=entries)


def one(name: str, builds: Sequence[str]) -> StoreIndex:
    """A store with one series."""
    return index(series(name, *builds))
