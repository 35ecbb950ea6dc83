# SPDX-License-Identifier: GPL-2.0-or-later
"""Writing down how a sync went, for `facility status` and for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from builder import names
from builder.errors import ForgeError
from builder.facility import asking, record, refs
from builder.facility.asking import Answer
from builder.facility.record import RemoteRecord, SeriesRecord, SyncRecord
from builder.facility.site import Site
from builder.facility.synced import Synced, did, unknown
from builder.store.index import Build


def _before(site: Site) -> SyncRecord | None:
    """The last record; a damaged one says nothing, and is replaced."""
    try:
        return record.read(site)
    except ForgeError:
        return None


def _clock() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def end(site: Site, error: ForgeError) -> None:
    """Write down what ended a sync before it was through."""
    old = _before(site) or SyncRecord(ended=_clock(), ok=False)
    said = {"ended": _clock(), "ok": False, "error": error.message}
    record.write(site, old.model_copy(update=said))


def outcome(site: Site, synced: Synced, now: datetime) -> None:
    """Write down how it went, for `facility status`."""
    old = _before(site)
    before = {each.name: each for each in old.remotes} if old else {}
    remotes = [_of_remote(answer, before.get(answer.name), now) for answer in synced.answers]
    index = site.store.index()
    here = {entry.name: entry.builds for entry in index.series} if index else {}
    seen = dict.fromkeys(done.step.series for done in synced.steps)
    series = [_of_series(site, name, synced, here.get(name, ()), now) for name in seen]
    known = (*site.facility.remotes, *(answer.name for answer in synced.answers))
    merged = record.merged(old.remotes if old else (), remotes)
    record.write(
        site,
        SyncRecord(
            ended=_clock(),
            ok=not synced.failed,
            remotes=tuple(each for each in merged if each.name in known),
            series=record.merged(old.series if old else (), series),
        ),
    )


def _of_remote(answer: Answer, before: RemoteRecord | None, now: datetime) -> RemoteRecord:
    url = answer.url or (before.url if before else "")
    return RemoteRecord(
        name=answer.name,
        url=url,
        ok=not answer.error,
        error=answer.error,
        series=len({offer.name for offer in answer.offers}),
        date=now,
        reached=now if not answer.error else (before.reached if before else None),
    )


def _of_series(
    site: Site, name: str, synced: Synced, builds: Sequence[Build], now: datetime
) -> SeriesRecord:
    row = site.facility.wanted(name)
    offers = [
        offer
        for answer in asking.allowed(row, synced.answers)
        for offer in answer.offers
        if offer.name == name and row and offer.channel in row.channels and refs.listed(offer)
    ]
    best = refs.newest(offers) if offers else None
    local = [build.serial for build in builds if build.state == "public"]
    mine = [done for done in synced.steps if done.step.series == name]
    failed = [done for done in mine if done.outcome == "failed" or unknown(done.step)]
    return SeriesRecord(
        name=name,
        remote=best.remote if best else "",
        newest=best.serial if best else "",
        published=best.date if best else None,
        local=max(local, key=names.serial_key, default=""),
        did=tuple(did(done.step) for done in mine if done.outcome == "done"),
        error=failed[0].words if failed else "",
        date=now,
    )
