# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a facility can do its work: each thing that has to be there, looked at from end to end.

Nothing that stays is changed. What cannot be looked at is a finding as well, and stops nothing.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.facility import asking, room, secret, sitekey, sizes
from builder.facility.amounts import in_words
from builder.facility.config import Wanted
from builder.facility.doors import DOORS, Doors
from builder.facility.kinds import Token
from builder.facility.site import Site
from builder.facility.targets.target import Finding
from builder.imports.offers import Offer
from builder.store.index import StoreIndex

# How long before a key or an index ends somebody should hear of it.
SOON: Final = timedelta(days=7)
# What the units of scheduled jobs read.
SECRETS: Final = "facility.env"
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
        *_secrets(site),
        *remotes,
        *_wanted(site, offers),
        *room.space(site, index, offers),
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
    return index, [
        Finding(True, "store", f"{root}: {builds} builds, {used}"),
        *_missing(site, index),
    ]


def _missing(site: Site, index: StoreIndex) -> Iterator[Finding]:
    """The images that the index names, and that are not there as they were."""
    for entry in index.series:
        for build in entry.builds:
            for image in site.store.missing(entry.name, build):
                sentence = f"{image.name} is not there, or has another size"
                hint = f"fai-forge pull {entry.name}:{build.serial} brings it again"
                yield Finding(False, "store", sentence, hint)


def _folders(site: Site) -> Iterator[Finding]:
    folders = {"store": site.store.place.root, "incoming": site.incoming, "state": site.state}
    for what, folder in folders.items():

        def try_to_write(folder: Path = folder) -> None:
            there = room.existing(folder)
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


def _secrets(site: Site) -> Iterator[Finding]:
    """The variables that scheduled jobs get, where a site has such a file."""
    path = site.folder / SECRETS
    if path.exists():
        mode = path.stat().st_mode
        good = not mode & OTHERS_MAY
        others = "nobody else may read it" if good else f"others may read it ({mode & 0o777:04o})"
        yield Finding(good, SECRETS, others, "" if good else f"chmod 600 {path}")


def _wrong_token(token: Token, site: Site) -> tuple[str, str]:
    """What is wrong with a token, and what helps; empty if nothing is."""
    try:
        secret.read(token, site.folder)
    except UsageError as error:
        return error.message, error.hint
    return "", ""


def _offers(site: Site, doors: Doors) -> tuple[Mapping[str, Sequence[Offer]], list[Finding]]:
    """What each remote that answers offers."""
    found: dict[str, Sequence[Offer]] = {}
    said: list[Finding] = []
    for answer in asking.everyone(site, doors):
        subject = f"remote {answer.name}"
        if answer.error:
            said.append(Finding(False, subject, answer.error, answer.hint))
            continue
        found[answer.name] = answer.offers
        series = len({offer.name for offer in answer.offers})
        vouched = next((offer.vouched for offer in answer.offers), "nothing is there yet")
        said.append(Finding(True, subject, f"{series} series; {vouched}"))
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
    matching = [
        each for each in room.wanted(site, offers) if site.facility.wanted(each.name) is row
    ]
    series = sorted({each.name for each in matching})
    if not series:
        elsewhere = sorted(
            {
                each.channel
                for remote in asked
                for each in offers[remote]
                if site.facility.wanted(each.name) is row
            }
        )
        return Finding(
            False,
            subject,
            f"nothing of {', '.join(asked)} matches in {', '.join(row.channels)}",
            f"it is in {', '.join(elsewhere)}: say channels: [{', '.join(elsewhere)}] in that row"
            if elsewhere
            else "mend the pattern, the channels, or the remote's own images",
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
