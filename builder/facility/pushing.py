# SPDX-License-Identifier: GPL-2.0-or-later
"""Push: a build of one store goes into another one, with all that is beside its images."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from builder.builds import Builds, Built
from builder.errors import UsageError
from builder.facility import pulling, refs
from builder.facility.asking import is_address
from builder.facility.kinds import StoreRemote
from builder.facility.refs import Ref
from builder.facility.remotes import store
from builder.facility.remotes.open import open_remote
from builder.facility.remotes.store import PublishedStore
from builder.facility.site import Site
from builder.imports.offers import Offer
from builder.progress import Progress
from builder.store import gathering, reading
from builder.store.folder import FolderPlace
from builder.store.index import Delta, StoreIndex
from builder.store.index import folder as path_of
from builder.store.publishing import publish
from builder.store.writing import Publisher


@dataclass(frozen=True)
class Pushed:
    """What became of a build: it is in the other store, at `folder`, since now or before."""

    offer: Offer
    answer: Literal["pushed", "unchanged"]
    folder: str
    transferred: int = 0


def push(
    source: PublishedStore,
    publisher: Publisher,
    ref: Ref,
    work: Path,
    now: datetime,
    progress: Progress,
    *,
    unverified: bool = False,
) -> Pushed:
    """Publish the build that a reference means in another store, by way of the folder `work`.

    UsageError for a site's custom image, which stays there; CheckError where a check or a boot
    failed, or was never tried, unless `unverified` allows that. Else as `publish`.
    """
    progress.stage(f"Looking for {ref}")
    offers = refs.chosen(source.offers(ref.name), ref, ())
    if not offers:
        raise UsageError(
            f"{source.url} has no {ref}", hint="NAME means the newest build, NAME:SERIAL any other"
        )
    offer = offers[0]
    assert offer.build is not None
    index = _index(publisher)
    if _has(index, offer):
        return Pushed(offer, "unchanged", path_of(offer.name, offer.build))
    source.hands_on = lambda series, delta: _base_is_there(index, series, delta)
    folder = work / offer.name / offer.serial
    brought = pulling.bring(source, offer, (), folder, progress)
    parcel = gathering.gather(Built(offer.name, offer.serial, folder), some=True)
    done = publish(
        publisher,
        parcel,
        offer.channel,
        now,
        progress,
        unverified=unverified,
        deltas=pulling.handed_on(offer, folder),
        origin=offer.build.origin,
    )
    shutil.rmtree(folder)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
    answer: Literal["pushed", "unchanged"] = "pushed" if done.answer == "published" else "unchanged"
    return Pushed(offer, answer, done.folder, brought.transferred)


def own(site: Site) -> PublishedStore:
    """A site's own store, to push from."""
    publisher = site.store.publisher
    return PublishedStore(site.facility.name, publisher.place, publisher.trusted, publisher.memory)


def source(given: str, keyring: Path | None, site: Site | None) -> PublishedStore:
    """The store that `--from` means: an address, or a remote of the site that is one of ours."""
    if is_address(given):
        _check_store(given)
        if keyring is None:
            raise UsageError(
                f"{given} needs a keyring", hint="--from-keyring FILE has its publisher's keys"
            )
        found = store.at("", given, keyring)
        # What a person gave might hold a secret; a place's own name does not.
        found.name = found.url
        return found
    entry = site.facility.remotes.get(given) if site else None
    if site is None or not isinstance(entry, StoreRemote):
        raise UsageError(
            f"there is no store that is called {given}",
            hint="give its folder or URL, or a remote of facility.yaml whose kind is store",
        )
    return cast(PublishedStore, open_remote(given, entry, site))


def _check_store(given: str) -> None:
    """Raise UsageError for a folder of builds, which nobody has signed."""
    folder = Path(given)
    if folder.is_dir() and not reading.is_store(FolderPlace(folder.absolute())):
        built = Builds(folder).all()
        if built:
            raise UsageError(
                f"{given} is a folder of builds, and no store",
                hint=f"fai-forge publish {given} --to STORE publishes what was built",
            )


def _index(publisher: Publisher) -> StoreIndex | None:
    # The lock makes the folder of a new store.
    with publisher.place.lock():
        return publisher.current()


def _has(index: StoreIndex | None, offer: Offer) -> bool:
    """Whether a store has just this build, in the same channel."""
    assert offer.build is not None
    entry = reading.series(index, offer.name) if index else None
    return any(
        (each.serial, each.channel, each.manifest.sha256)
        == (offer.serial, offer.channel, offer.build.manifest.sha256)
        and each.state != "removed"
        for each in (entry.builds if entry else ())
    )


def _base_is_there(index: StoreIndex | None, series: str, delta: Delta) -> bool:
    entry = reading.series(index, series) if index else None
    return any(
        each.serial == delta.base and each.state != "removed"
        for each in (entry.builds if entry else ())
    )
