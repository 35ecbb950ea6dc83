# SPDX-License-Identifier: GPL-2.0-or-later
"""Pulling where something has changed meanwhile, and where remotes offer different things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from builder.cli.sync import lines
from builder.errors import InfrastructureError, UsageError
from builder.facility import asking, pulling, syncing
from builder.facility.asking import Source
from builder.facility.pulling import Pulled
from builder.facility.refs import parse
from builder.facility.removing import remove
from builder.facility.site import Site
from builder.imports.offers import Offer, Remote
from builder.progress import NoProgress
from builder.store import tending
from builder.store.folder import FolderPlace
from builder.store.index import TagEntry
from tests.unit.facilities import NAME, look, newest, now, portal, site, source

SERIAL = "20261121"


@pytest.fixture
def north(tmp_path: Path) -> Site:
    return site(tmp_path / "north")


def portal_of(tmp_path: Path, north: Site) -> Source:
    """A store with one build."""
    portal(tmp_path, SERIAL)
    return source("portal", FolderPlace(tmp_path / "store"), north)


def pull(north: Site, *sources: Source) -> Pulled:
    return pulling.pull(north, sources, parse(NAME), now(), NoProgress())


def test_a_tag_stays_beside_one_that_came_meanwhile(tmp_path: Path, north: Site) -> None:
    pull(north, portal_of(tmp_path, north))
    seen = newest(north)
    for tag in ("13.4", "rc1"):
        tending.pin(north.store.publisher, NAME, seen, TagEntry(tag=tag, date=now()), now())
    assert [entry.tag for entry in newest(north).tags] == ["13.4", "rc1"]


def test_what_was_removed_meanwhile_gets_no_tag(tmp_path: Path, north: Site) -> None:
    pull(north, portal_of(tmp_path, north))
    seen = newest(north)
    remove(north.store, [(NAME, seen)], now())
    with pytest.raises(InfrastructureError, match="was removed from"):
        tending.pin(north.store.publisher, NAME, seen, TagEntry(tag="13.4", date=now()), now())
    assert look(north) == {SERIAL: "removed"}


def test_a_remote_without_the_format_is_passed_over(tmp_path: Path, north: Site) -> None:
    first = portal_of(tmp_path, north)
    raw = replace(first, name="mirror")

    def offers_raw() -> Remote:
        remote = raw.open()

        def offers(name: str | None = None) -> Sequence[Offer]:
            found = type(remote).offers(remote, name)
            images = [[replace(image, format="raw") for image in each.images] for each in found]
            return [replace(each, images=tuple(of)) for each, of in zip(found, images, strict=True)]

        remote.offers = offers  # type: ignore[method-assign]
        return remote

    assert pull(north, Source("mirror", offers_raw), first).offer.remote == "portal"


def test_another_format_of_what_is_here_is_refused(tmp_path: Path, north: Site) -> None:
    remote = portal_of(tmp_path, north)
    pull(north, remote)
    with pytest.raises(UsageError, match="is here as qcow2, and a build never changes"):
        pulling.pull(north, [remote], parse(NAME), now(), NoProgress(), ["raw"])


def test_a_remote_that_makes_no_sense(tmp_path: Path, north: Site) -> None:
    def open_() -> Remote:
        raise ValueError("Port out of range")

    odd = Source("odd", open_)
    assert "makes no sense" in asking.ask(odd)[0].error
    assert pull(north, odd, portal_of(tmp_path, north)).answer == "pulled"


@pytest.mark.parametrize("harm", ["gone", "cut off"])
def test_a_file_that_was_lost_comes_again(tmp_path: Path, north: Site, harm: str) -> None:
    remote = portal_of(tmp_path, north)
    pull(north, remote)
    build = newest(north)
    file = north.store.file(NAME, build, build.images[0])
    whole = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(whole[:-1])
    assert north.store.missing(NAME, build) == build.images
    assert pull(north, remote).answer == "pulled"
    assert file.read_bytes() == whole
    assert pull(north, remote).answer == "unchanged"
    assert newest(north) == build


def test_a_site_without_remotes_says_so(north: Site) -> None:
    with pytest.raises(UsageError, match="there is no remote to take debian-13 from"):
        pull(north)


def test_names_that_nobody_has_are_said(tmp_path: Path) -> None:
    north = site(tmp_path / "north", match="debain*")
    remote = portal_of(tmp_path, north)
    done = syncing.sync(north, [remote], (), now(), NoProgress())
    assert (done.unmatched, done.steps, done.failed) == (("debain*",), (), False)
    assert "series: debain*: no remote has a series of that name" in lines(done, done=True)
    with pytest.raises(UsageError, match="no series that is kept here is called debain"):
        syncing.sync(north, [remote], ["debain*"], now(), NoProgress())
