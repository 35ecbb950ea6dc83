# SPDX-License-Identifier: GPL-2.0-or-later
"""What is newest upstream, what a store has of it, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Final, Literal

from builder import names
from builder.errors import ForgeError, InfrastructureError
from builder.imports import versions
from builder.imports.vouching import signer_of
from builder.progress import Progress
from builder.side_by_side import side_by_side
from builder.upstream import finding, sense
from builder.upstream.asking import Asking
from builder.upstream.choosing import Chosen
from builder.upstream.finding import Found
from builder.upstream.series import Series
from builder.upstream.shelf import Had, Shelf

# "new": it is not in the store; "older": the store has a newer one; "skipped": a site has to supply
# it, and did not.
State = Literal["new", "current", "older", "skipped", "failed"]
# How many servers are asked at once.
JOBS: Final = 4


@dataclass(frozen=True)
class Checked:
    """One image: its newest version upstream, and in a store.

    `name` is the series, or the source where nobody knows its releases. `serial` is what the
    version has, or would get, in the store. `reason` says in one line why the state is what it is;
    `hint` what to do about a failure.
    """

    name: str
    source: str
    state: State
    reason: str = ""
    hint: str = ""
    series: Series | None = None
    found: Found | None = None
    had: Had | None = None
    serial: str = ""
    code: int = 0
    """The exit code of a failure."""

    @property
    def version(self) -> str:
        """What its makers call the newest version; empty where that is not known."""
        return self.found.offer.version if self.found else ""


def check(
    chosen: Chosen,
    asking: Asking,
    shelf: Shelf | None,
    now: datetime,
    progress: Progress,
    jobs: int = JOBS,
) -> tuple[Checked, ...]:
    """Ask for the newest version of each image; one that fails stops no other.

    Without a store, all of them are new.
    """
    down = tuple(_failed(name, name, error) for name, error in chosen.failures)
    if not chosen.series:
        return down

    count, lock = [0], Lock()

    def one(series: Series) -> Checked:
        found = checked(series, asking, shelf, now, named=series.name in chosen.demanded)
        with lock:
            count[0] += 1
            progress.update(count[0], len(chosen.series))
        return found

    progress.stage(f"Asking for {counted(len(chosen.series))}")
    found = side_by_side([partial(one, series) for series in chosen.series], jobs)
    return (*found, *down)


def checked(
    series: Series, asking: Asking, shelf: Shelf | None, now: datetime, *, named: bool = False
) -> Checked:
    """One image; what is wrong with it becomes its state. `named`: it must be there."""
    if not series.supplied and not named:
        words = f"nobody has supplied {series.missing}"
        return Checked(series.name, series.source, "skipped", words, series=series)
    known = Checked(series.name, series.source, "failed", series=series)
    try:
        had = shelf.had(series.name) if shelf else None
        known = replace(known, had=had)
        with sense.made(series.name):
            found = finding.newest(series, asking)
        known = replace(known, found=found)
        _must_be_signed(series, found, had)
        serial = _serial(found, now)
        if shelf is None or had is None:
            return _new(known, shelf, serial, "the first one" if shelf else "")
        return _compared(known, shelf, found, had, serial)
    except ForgeError as error:
        return replace(known, reason=error.message, hint=error.hint, code=error.exit_code)


def _compared(known: Checked, shelf: Shelf, found: Found, had: Had, serial: str) -> Checked:
    """What a version is beside what the store has."""
    there = shelf.holds(known.name, found.offer)
    if there is not None and there.serial == had.build.serial:
        return replace(known, state="current", serial=there.serial, reason="the store has it")
    ours = had.origin.version
    if there is not None or _is_older(found.offer.version, serial, had):
        return replace(
            known,
            state="older",
            serial=there.serial if there else "",
            reason=f"the store has {ours}, which is newer than {found.offer.version}:"
            " a server is behind, or its makers took it back",
        )
    if found.offer.version == ours:
        return _new(known, shelf, serial, f"{ours} was replaced by other content of that name")
    return _new(known, shelf, serial, f"newer than {ours}")


def _new(known: Checked, shelf: Shelf | None, serial: str, reason: str) -> Checked:
    """A version that comes in; its serial is above all that the store ever had of the series.

    Else the build would not be its newest. Two builds of one day may tell no more than the day.
    """
    used = shelf.serials(known.name) if shelf else ()
    last = max(used, key=names.serial_key, default="")
    if last and names.serial_key(serial) <= names.serial_key(last):
        day = datetime.strptime(last[:8], "%Y%m%d").date()
        serial = names.next_serial(day, used)
    return replace(known, state="new", serial=serial, reason=reason)


def _is_older(version: str, serial: str, had: Had) -> bool:
    """Whether a version comes before the one that the store has.

    Versions that are written alike tell it; of others, the day tells more.
    """
    theirs, ours = versions.key(version), versions.key(had.origin.version)
    if len(theirs) == len(ours):
        return theirs < ours
    days = serial[:8], had.upstream_day
    return (days[0], theirs) < (days[1], ours)


def _serial(found: Found, now: datetime) -> str:
    """The serial by the makers' day; InfrastructureError for one that has not come yet.

    A store with a build from the future could expire nothing.
    """
    serial = found.offer.serial
    if serial[:8] > f"{now:%Y%m%d}":
        raise InfrastructureError(
            f"{found.candidate.file} is of {serial[:8]}, and it is {now:%Y%m%d} here",
            hint="wait until then, or correct the clock of this machine",
        )
    return serial


def _must_be_signed(series: Series, found: Found, had: Had | None) -> None:
    """Raise InfrastructureError where a signature should be, or was until now, and is not.

    One over the image is looked for when that comes.
    """
    signature = series.traits.signature
    if signer_of(found.offer.vouched) or (signature is not None and signature.over == "image"):
        return
    if signature is not None:
        raise InfrastructureError(
            f"{series.path} names who signs {series.name}, and nothing of it is signed",
            hint="what vouches for it is: " + found.offer.vouched,
        )
    if had is not None and had.origin.signed_by:
        raise InfrastructureError(
            f"{series.name} was signed by {had.origin.signed_by} until"
            f" {had.origin.version or had.build.serial}, and has no signature now",
            hint="ask its makers before you believe it; if they really sign no more, tag the builds"
            " that you need, and have it under another name",
        )


def counted(images: int) -> str:
    """So many images, in words."""
    return "1 image" if images == 1 else f"{images} images"


def _failed(name: str, source: str, error: ForgeError) -> Checked:
    return Checked(name, source, "failed", error.message, error.hint, code=error.exit_code)
