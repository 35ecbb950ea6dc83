# SPDX-License-Identifier: GPL-2.0-or-later
"""Pull: one build of a remote comes into the site's own store, and then to its targets."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from builder import names
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility import locks, placing, refs
from builder.facility.asking import Answer, Source, ask, complain
from builder.facility.meter import Meter
from builder.facility.placing import PutAt
from builder.facility.refs import Ref
from builder.facility.site import LocalStore, Site
from builder.imports.offers import Brought, Offer, OfferedFile, Remote
from builder.progress import Progress
from builder.store import fetching, tending
from builder.store.index import Build, Delta, TagEntry
from builder.store.index import folder as path_of

LABEL: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What is taken where nobody says which formats.
FORMATS: Final = ("qcow2",)


@dataclass(frozen=True)
class Pulled:
    """What came of a pull: the build is in the own store, since now or before."""

    offer: Offer
    build: Build
    answer: Literal["pulled", "unchanged"]
    transferred: int = 0
    how: str = ""
    placed: tuple[PutAt, ...] = ()


def pull(
    site: Site,
    sources: Sequence[Source],
    ref: Ref,
    now: datetime,
    progress: Progress,
    formats: Sequence[str] = (),
) -> Pulled:
    """Bring the build that a reference means into the site's store, and to the row's targets.

    Remotes that are down are named in the log; they are an error only where the build is not found.
    """
    row = site.facility.wanted(ref.name)
    progress.stage(f"Looking for {ref}")
    offers, by_name = find(sources, ref, row.channels if row else ())
    chosen = formats or (row.formats if row else FORMATS)
    usable = [each for each in offers if each.of(chosen)] or offers
    done = first(site, [(by_name[each.remote], each) for each in usable], chosen, now, progress)
    _check_formats(done, formats)
    build = pin(site.store, ref, done.offer, done.build, now) if ref.tag else done.build
    targets = row.to if row else ()
    placed = placing.put_all(site, targets, ref.name, build, progress)
    return replace(done, build=build, placed=placed)


def _check_formats(done: Pulled, formats: Sequence[str]) -> None:
    """Raise UsageError where a format was asked for, and the build is here in others."""
    have = {image.format for image in done.build.images}
    if formats and not have & set(formats):
        raise UsageError(
            f"{done.offer} is here as {', '.join(sorted(have))}, and a build never changes",
            hint="--into DIR brings it in other formats; for the next builds, formats: [...] in"
            " facility.yaml does",
        )


def find(
    sources: Sequence[Source], ref: Ref, channels: Sequence[str]
) -> tuple[tuple[Offer, ...], dict[str, Remote]]:
    """The offers of the build that a reference means, and the remotes that answered, by name."""
    asked = [ask(source, ref.name) for source in sources]
    answers = [answer for answer, _ in asked]
    if len(answers) == 1 and answers[0].error:
        raise InfrastructureError(answers[0].error, hint=answers[0].hint)
    complain(answers)
    offers = refs.chosen((each for one in answers for each in one.offers), ref, channels)
    if not offers:
        raise _not_found(ref, sources, answers, channels)
    return offers, {remote.name: remote for _, remote in asked if remote is not None}


def first(
    site: Site,
    sources: Sequence[tuple[Remote, Offer]],
    formats: Sequence[str],
    now: datetime,
    progress: Progress,
) -> Pulled:
    """Take a build from the first remote that gives it; the last one's error where none does.

    What goes wrong here, and not at a remote, is an error at once.
    """
    store = site.store
    for number, (remote, offer) in enumerate(sources, 1):
        with alone(site, offer.name):
            there = held(store, offer)
            if there is not None and not store.missing(offer.name, there):
                return Pulled(offer, there, "unchanged")
            folder = site.incoming / _folder_name(remote.name) / offer.name / offer.serial
            try:
                _recall(store, offer, folder)
                brought = bring(remote, offer, formats, folder, progress)
            except ForgeError as error:
                if number == len(sources):
                    raise
                complain([Answer(remote.name, error=error.message)])
                continue
            if there is not None:
                store.mend(offer.name, there, folder)
                build = there
            else:
                deltas = handed_on(offer, folder)
                build = store.admit(
                    folder, offer.channel, now, progress, origin=remote.url, deltas=deltas
                ).build
            tidy(site, offer.name)
            return Pulled(offer, build, "pulled", brought.transferred, brought.how)
    raise AssertionError("no remote to take it from")


def _recall(store: LocalStore, offer: Offer, folder: Path) -> None:
    """Have the manifest of an image that was removed here, so that it may come back as it was.

    Those of stores come with their build; of others it says when it was taken in, and there is only
    the one that stayed.
    """
    entry = store.entry(offer.name) if offer.build is None else None
    gone = (each for each in (entry.builds if entry else ()) if each.serial == offer.serial)
    build = next(gone, None)
    if build is None:
        return
    name = build.manifest.name
    content = fetching.content(store.place, f"{path_of(offer.name, build)}/{name}", build.manifest)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def alone(site: Site, name: str) -> AbstractContextManager[None]:
    """One pull of a series at a time; InfrastructureError where another one is at work."""
    return locks.alone(site.state, f"pull of {name}")


def tidy(site: Site, name: str) -> None:
    """Remove what was brought of a series and is in the store, or is too old by now.

    The caller holds `alone`.
    """
    for remote in site.incoming.glob("*"):
        shutil.rmtree(remote / name, ignore_errors=True)


def bring(
    remote: Remote, offer: Offer, formats: Sequence[str], folder: Path, progress: Progress
) -> Brought:
    """Bring an offer into a folder; UsageError where it has none of the formats."""
    images = wanted(remote, offer, formats)
    total = sum(image.size or 0 for image in images)
    progress.stage(f"Bringing {offer} from {remote.name} ({max(total >> 20, 1)} MiB)")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfrastructureError(
            f"{folder.parent} cannot be made: {error.strerror}", hint="is there room, is it yours?"
        ) from error
    return remote.bring(offer, formats, folder, Meter(progress, total))


def wanted(remote: Remote, offer: Offer, formats: Sequence[str]) -> tuple[OfferedFile, ...]:
    """The images of an offer in these formats; UsageError where it has none of them."""
    images = offer.of(formats)
    if not images:
        have = ", ".join(sorted({image.format for image in offer.images})) or "nothing"
        raise UsageError(
            f"{remote.name} has {offer} as {have}, and not as {' or '.join(formats)}",
            hint="--format names another one; in facility.yaml, formats: [...] does",
        )
    return images


def handed_on(offer: Offer, folder: Path) -> tuple[Delta, ...]:
    """The deltas of an offer that were kept beside its images."""
    deltas = offer.build.deltas if offer.build else ()
    return tuple(delta for delta in deltas if (folder / delta.name).is_file())


def held(store: LocalStore, offer: Offer) -> Build | None:
    """The build that is offered, if it is in the own store; UsageError if that is another one."""
    entry = store.entry(offer.name)
    found = [each for each in entry.builds if each.serial == offer.serial] if entry else []
    if not found or found[0].state == "removed":
        return None
    there = found[0]
    if not same(there, offer):
        raise UsageError(
            f"{offer} is here with other content than {offer.remote} has"
            f" (from {there.origin or 'this site'})",
            hint="two publishers use one name; take the series from one of them: from: [...]",
        )
    return there


def same(there: Build, offer: Offer) -> bool:
    """Whether a build that is here is the one that is offered, as far as the offer tells."""
    # What others offer may have become other files here: unpacked, or in another format.
    return offer.build is None or there.manifest.sha256 == offer.build.manifest.sha256


def pin(store: LocalStore, ref: Ref, offer: Offer, build: Build, now: datetime) -> Build:
    """Give a build the tag here that it has at its remote: then it is never removed.

    UsageError where that tag is on another build here.
    """
    entries = offer.build.tags if offer.build else ()
    entry = next((each for each in entries if each.tag == ref.tag), TagEntry(tag=ref.tag, date=now))
    return tending.pin(store.publisher, ref.name, build, entry, now)


def _not_found(
    ref: Ref, sources: Sequence[Source], answers: Sequence[Answer], channels: Sequence[str]
) -> ForgeError:
    if not sources:
        return UsageError(
            f"there is no remote to take {ref} from",
            hint="write one below remotes: in facility.yaml, or give --from URL and --keyring",
        )
    down = [answer.name for answer in answers if answer.error]
    where = ", ".join(answer.name for answer in answers) or "no remote"
    if down:
        return InfrastructureError(
            f"{ref} is not found: {', '.join(down)} cannot be asked, and no other remote has it",
            hint="call it again later",
        )
    of_it = sorted(
        {each.serial for answer in answers for each in answer.offers if each.name == ref.name},
        key=names.serial_key,
    )
    if of_it:
        among = f" in {', '.join(channels)}" if channels and not (ref.serial or ref.tag) else ""
        hint = f"there is {', '.join(of_it[-5:])}; name one with {ref.name}:SERIAL"
        if among:
            hint += ", or say channels: in its row of facility.yaml"
        return UsageError(f"{where} has no {ref}{among}", hint=hint)
    everything = [ask(source)[0] for source in sources]
    known = {offer.name for answer in everything for offer in answer.offers}
    near = names.did_you_mean(ref.name, known)
    return UsageError(f"{where} has no {ref.name}{near}", hint="is the name right?")


def _folder_name(remote: str) -> str:
    """A folder's name for a remote; one that is given by its URL has none of its own."""
    return remote if LABEL.fullmatch(remote) else hashlib.sha256(remote.encode()).hexdigest()[:32]
