# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a facility can do its work: each thing that has to be there, looked at from end to end.

Nothing that stays is changed. What cannot be looked at is a finding as well, and stops nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from builder import names
from builder.errors import ForgeError, InfrastructureError
from builder.facility import sitekey, sizes
from builder.facility.amounts import in_words
from builder.facility.config import CUSTOM, Wanted
from builder.facility.doors import DOORS, Doors
from builder.facility.kinds import Token
from builder.facility.offers import Offer
from builder.facility.site import Site
from builder.facility.targets.target import Finding
from builder.store.index import StoreIndex

# How long before a key or an index ends somebody should hear of it.
SOON: Final = timedelta(days=7)
OTHERS_MAY: Final = stat.S_IRWXG | stat.S_IRWXO


def check(site: Site, now: datetime, doors: Doors = DOORS) -> tuple[Finding, ...]:
    """All findings about a facility, in the order in which they should be mended."""
    index, store = _index(site, now)
    offers, remotes = _offers(site, doors)
    return (
        *_key(site, now),
        *store,
        *_folders(site),
        *_overlays(site),
        *_tokens(site),
        *remotes,
        *_wanted(site, offers),
        *_space(site, index, offers),
        *_targets(site, doors),
    )


def _tried(subject: str, good: str, call: Callable[[], object]) -> Finding:
    try:
        call()
    except ForgeError as error:
        return Finding(False, subject, error.message, error.hint)
    return Finding(True, subject, good)


def _key(site: Site, now: datetime) -> Iterator[Finding]:
    key = site.facility.store.key
    found = _tried(
        "key", "it signs without asking for a passphrase", lambda: sitekey.try_to_sign(key)
    )
    yield found
    ends = sitekey.expiry(key) if found.ok else None
    if ends is not None and ends - now < SOON:
        yield Finding(
            False,
            "key",
            f"it expires on {ends:%Y-%m-%d}",
            f"gpg --quick-set-expire {key} 2y; then give the public key to your readers again",
        )


def _index(site: Site, now: datetime) -> tuple[StoreIndex | None, list[Finding]]:
    root = site.store.place.root
    renew = f"fai-forge publish --refresh --to {root} --key {site.facility.store.key}"
    try:
        index = site.store.index()
    except ForgeError as error:
        return None, [Finding(False, "store", error.message, error.hint)]
    if index is None:
        return None, [
            Finding(
                False,
                "store",
                f"there is no index in {root}",
                "the first pull, or fai-forge facility init, makes one; is the path right?",
            )
        ]
    if index.valid_until - now < SOON:
        until = f"{index.valid_until:%Y-%m-%d %H:%M} UTC"
        return index, [Finding(False, "store", f"its index is valid until {until} only", renew)]
    builds = sum(build.state != "removed" for each in index.series for build in each.builds)
    used = in_words(sizes.of_store(index))
    return index, [Finding(True, "store", f"{root}: {builds} builds, {used}")]


def _folders(site: Site) -> Iterator[Finding]:
    folders = {"store": site.store.place.root, "incoming": site.incoming, "state": site.state}
    for what, folder in folders.items():

        def try_to_write(folder: Path = folder) -> None:
            there = _existing(folder)
            try:
                with tempfile.TemporaryFile(dir=there) as file:
                    file.write(b"a trial")
            except OSError as error:
                raise InfrastructureError(
                    f"{there} cannot be written to: {error.strerror}",
                    hint=f"make it yours: chown {os.getuid()} {there}",
                ) from error

        yield _tried(what, f"{folder} can be written to", try_to_write)


def _overlays(site: Site) -> Iterator[Finding]:
    for each in site.facility.overlays:
        if each.folder is not None:
            path = site.path(each.folder)
            good = (path / "classes").is_dir()
            yield Finding(
                good,
                f"overlay {each.folder}",
                f"{path} has classes" if good else f"{path} has no folder classes/",
                "" if good else "an overlay is a folder that holds classes/NAME/",
            )


def _tokens(site: Site) -> Iterator[Finding]:
    for name, entry in site.facility.remotes.items():
        token = getattr(entry, "token", None)
        if token is not None:
            wrong, hint = _wrong_token(token, site)
            where = token.file or f"${token.env}"
            sentence = wrong or f"{where} is there, and nobody else may read it"
            yield Finding(not wrong, f"token of {name}", sentence, hint)


def _wrong_token(token: Token, site: Site) -> tuple[str, str]:
    """What is wrong with a token, and what helps; empty if nothing is."""
    if token.env is not None:
        if os.environ.get(token.env):
            return "", ""
        return f"${token.env} is not set", "set it, or keep the token in a file that you name"
    path = site.path(token.file or "")
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            filled = bool(file.read(1))
    except OSError as error:
        return f"{path}: {error.strerror}", "write the token into it, with mode 0600"
    if mode & OTHERS_MAY:
        return f"others may read {path} (mode {mode & 0o777:04o})", f"chmod 600 {path}"
    return ("", "") if filled else (f"{path} is empty", "write the token into it")


def _offers(site: Site, doors: Doors) -> tuple[Mapping[str, Sequence[Offer]], list[Finding]]:
    """What each remote that answers offers."""
    found: dict[str, Sequence[Offer]] = {}
    said: list[Finding] = []
    for name, entry in site.facility.remotes.items():
        try:
            remote = doors.remote(name, entry, site)
            found[name] = remote.offers()
        except ForgeError as error:
            said.append(Finding(False, f"remote {name}", error.message, error.hint))
            continue
        series = len({offer.name for offer in found[name]})
        vouched = next((offer.vouched for offer in found[name]), "nothing is there yet")
        said.append(Finding(True, f"remote {name}", f"{series} series; {vouched}"))
    return found, said


def _wanted(site: Site, offers: Mapping[str, Sequence[Offer]]) -> Iterator[Finding]:
    for row in site.facility.series:
        subject = f"series {row.match}"
        asked = row.remotes or tuple(site.facility.remotes)
        if not asked:
            yield Finding(False, subject, "there is no remote to take it from", "add one")
        elif not any(name in offers for name in asked):
            yield Finding(
                False, subject, f"{', '.join(asked)}: no answer", "mend that remote first"
            )
        else:
            yield _matched(site, row, subject, asked, offers)


def _matched(
    site: Site,
    row: Wanted,
    subject: str,
    asked: Sequence[str],
    offers: Mapping[str, Sequence[Offer]],
) -> Finding:
    matching = [each for each in wanted(site, offers) if site.facility.wanted(each.name) is row]
    series = sorted({each.name for each in matching})
    if not series:
        return Finding(
            False,
            subject,
            f"nothing of {', '.join(asked)} matches in {', '.join(row.channels)}",
            "mend the pattern, the channels, or the remote's own images",
        )
    bare = sorted({each.name for each in matching if not each.of(row.formats)})
    if bare:
        return Finding(
            False,
            subject,
            f"{', '.join(bare)} is not there as {', '.join(row.formats)}",
            "name a format that the remote has, or none for all of them",
        )
    return Finding(True, subject, f"{len(series)} series: {', '.join(series)}")


def wanted(site: Site, offers: Mapping[str, Sequence[Offer]]) -> tuple[Offer, ...]:
    """The offers that the site's rows ask for: the newest of each series, as many as are kept."""
    found: dict[str, dict[str, Offer]] = {}
    for remote in offers:
        for offer in offers[remote]:
            row = site.facility.wanted(offer.name)
            if row and remote in (row.remotes or offers) and offer.channel in row.channels:
                found.setdefault(offer.name, {}).setdefault(offer.serial, offer)
    return tuple(
        each
        for name, builds in sorted(found.items())
        for each in _newest(builds.values(), _keep(site, name))
    )


def _keep(site: Site, name: str) -> int:
    row = site.facility.wanted(name)
    return row.keep if row else 0


def _newest(offers: Iterable[Offer], count: int) -> list[Offer]:
    return sorted(offers, key=lambda each: names.serial_key(each.serial))[-count:]


def _space(
    site: Site, index: StoreIndex | None, offers: Mapping[str, Sequence[Offer]]
) -> Iterator[Finding]:
    """Whether what is wanted fits on the disk, and into the quota."""
    here = {
        (entry.name, build.serial)
        for entry in (index.series if index else ())
        for build in entry.builds
    }
    chosen = wanted(site, offers)
    sizes_of = {(each.name, each.serial): _size(site, each) for each in chosen}
    # Sync takes the newest of each series only; the others are those of the days to come.
    latest = {key[0]: key for key in sizes_of}
    missing = [sizes_of[key] for key in latest.values() if key not in here]
    # What is brought lies beside the store for a moment.
    need = sum(missing) + max(missing, default=0)
    root = _existing(site.store.place.root)
    free = shutil.disk_usage(root).free
    yield Finding(
        free > need,
        "space",
        f"{in_words(free)} are free, and {in_words(need)} are needed to sync",
        "" if free > need else f"make room on the disk of {root}, or keep fewer builds",
    )
    quota = site.facility.store.quota
    if quota is not None:
        own = sizes.of_all(
            build
            for entry in (index.series if index else ())
            for build in entry.builds
            if build.channel == CUSTOM
        )
        total = sum(sizes_of.values()) + own
        yield Finding(
            total <= quota,
            "quota",
            f"{in_words(total)} of {in_words(quota)} are taken by what is wanted",
            "" if total <= quota else "raise store.quota, or keep fewer builds or formats",
        )


def _size(site: Site, offer: Offer) -> int:
    row = site.facility.wanted(offer.name)
    return sum(image.size or 0 for image in offer.of(row.formats if row else ()))


def _targets(site: Site, doors: Doors) -> Iterator[Finding]:
    for name, entry in site.facility.targets.items():
        try:
            found = doors.target(name, entry, site).check()
        except ForgeError as error:
            yield Finding(False, f"target {name}", error.message, error.hint)
            continue
        for each in found:
            subject = each.subject if each.subject.startswith(name) else f"{name} {each.subject}"
            yield Finding(each.ok, f"target {subject}", each.sentence, each.hint)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder
