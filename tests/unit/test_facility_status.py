# SPDX-License-Identifier: GPL-2.0-or-later
"""`fai-forge facility status`: what is here, what there is elsewhere, and what ours lacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from builder.builds import Built
from builder.cli import facility_status
from builder.errors import InfrastructureError
from builder.facility import record, status
from builder.facility.config import CUSTOM
from builder.facility.record import RemoteRecord, SeriesRecord, SyncRecord
from builder.facility.status import Row
from builder.manifest import document, model
from builder.progress import NoProgress
from builder.store import gathering
from builder.store.folder import FolderPlace
from builder.store.index import Build
from tests.unit import worlds
from tests.unit.facilityworld import World, offer, world
from tests.unit.stores import NOW, build, publisher, put

OLD, NEW = "20261101", "20261115"
# One security update, one that is none, and one of a package that is only there.
PACKAGES = {
    OLD: ["libxml2 2.12.7-2", "tzdata 2025a-1"],
    NEW: ["libxml2 2.12.7-2+deb13u1 security", "tzdata 2025b-1", "zlib1g 1:1.3-1 security"],
}


def built(out: Path, serial: str, packages: Sequence[str] | None = None) -> Path:
    made = build(out, serial, image=serial.encode())
    found = document.load(made.manifest)
    texts = PACKAGES[serial] if packages is None else packages
    shared = worlds._by_name(texts).values()
    known = worlds.manifest(shared, NOW, ()).packages
    made.manifest.write_text(document.dump(found.model_copy(update={"packages": known})))
    return made.folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The older build is here, and a remote has the newer one."""
    portal = {"kind": "store", "url": str(tmp_path / "portal" / "store"), "keyring": "p.gpg"}
    found = world(tmp_path, monkeypatch, {"remotes": {"portal": portal}})
    found.site.store.admit(built(tmp_path / "out", OLD), "release", NOW, NoProgress())
    found.remotes["portal"].given = [
        offer("debian-13", NEW, build=published(tmp_path)),
        offer("debian-12", NEW),
    ]
    return found


def published(tmp_path: Path) -> Build:
    folder = built(tmp_path / "theirs", NEW)
    (tmp_path / "portal").mkdir()
    return put(publisher(tmp_path / "portal"), Built("debian-13", NEW, folder)).build


def rows(here: World, *, offline: bool = False) -> dict[str, Row]:
    found = status.status(here.site, NOW, here.doors, offline=offline)
    return {row.series: row for row in found.rows}


def test_what_is_behind_and_what_it_lacks(here: World) -> None:
    found = rows(here)
    assert set(found) == {"debian-13"}
    row = found["debian-13"]
    assert (row.local, row.newest, row.remote) == (OLD, NEW, "portal")
    assert row.behind
    assert row.security == 1
    assert row.age == timedelta(days=20, hours=12)
    assert not row.error


def test_nothing_is_lacking_where_ours_is_the_newest(here: World) -> None:
    here.remotes["portal"].given = [offer("debian-13", OLD)]
    row = rows(here)["debian-13"]
    assert (row.security, row.behind) == (0, False)


def test_what_is_wanted_and_not_here_stands_there(here: World) -> None:
    here.remotes["portal"].given = [offer("debian-13-slim", NEW), offer("other", NEW)]
    found = rows(here)
    assert set(found) == {"debian-13", "debian-13-slim"}
    assert (found["debian-13-slim"].local, found["debian-13-slim"].security) == ("", None)
    assert found["debian-13-slim"].behind


def test_other_channels_do_not_count(here: World) -> None:
    here.remotes["portal"].given = [offer("debian-13", NEW, channel="daily")]
    assert rows(here)["debian-13"].newest == ""


def test_builds_that_their_store_hides_do_not_count(here: World) -> None:
    first, _ = here.remotes["portal"].given  # type: ignore[misc]
    assert first.build
    hidden = first.build.model_copy(update={"state": "hidden"})
    here.remotes["portal"].given = [offer("debian-13", NEW, build=hidden)]
    assert rows(here)["debian-13"].newest == ""


def test_a_manifest_that_cannot_be_read_is_told_of(here: World, tmp_path: Path) -> None:
    (manifest,) = (tmp_path / "portal").glob("store/debian-13/*/*.manifest.json")
    manifest.write_text(manifest.read_text().replace("debian-13", "debian-12"))
    row = rows(here)["debian-13"]
    assert row.security is None
    assert "manifest.json" in row.error


def remembered(here: World, remote: str = "portal") -> None:
    record.write(
        here.site,
        SyncRecord(
            ended=NOW - timedelta(hours=5),
            ok=False,
            remotes=(
                RemoteRecord(
                    name=remote, url="https://a.example.org", ok=False, date=NOW, error="it is down"
                ),
            ),
            series=(SeriesRecord(name="debian-13", remote=remote, newest=NEW, date=NOW),),
        ),
    )


@pytest.mark.parametrize("offline", [True, False])
def test_what_the_last_sync_saw_stands_in_for_a_silent_remote(here: World, offline: bool) -> None:
    remembered(here)
    here.remotes["portal"].given = InfrastructureError("it is down")
    row = rows(here, offline=offline)["debian-13"]
    assert (row.newest, row.remote, row.security) == (NEW, "portal", None)


def test_what_was_seen_does_not_hide_what_a_remote_says_now(here: World) -> None:
    remembered(here)
    here.remotes["portal"].given = []
    assert rows(here)["debian-13"].newest == ""


def test_the_table_says_how_the_last_sync_went(here: World) -> None:
    remembered(here)
    found = status.status(here.site, NOW, here.doors)
    said = "\n".join(facility_status.lines(found, NOW))
    assert f"debian-13  {OLD}  {NEW}  portal  20 d  1 missing  behind" in said
    assert "last sync: 5 h ago; not all of it was done\n    portal: it is down" in said


def test_a_site_that_never_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = world(tmp_path, monkeypatch, {"remotes": {}, "series": []})
    said = "\n".join(facility_status.lines(status.status(found.site, NOW, found.doors), NOW))
    assert said == "nothing is here yet; fai-forge pull NAME takes an image in\nlast sync: never"


def test_a_custom_image_is_said_to_be_one(here: World, tmp_path: Path) -> None:
    made = build(tmp_path / "out", OLD, name="appliance-1")
    here.site.store.admit(made.folder, CUSTOM, NOW, NoProgress())
    row = rows(here)["appliance-1"]
    assert (row.custom, row.newest, row.security) == (True, "", None)
    said = "\n".join(facility_status.lines(status.status(here.site, NOW, here.doors), NOW))
    assert "custom" in next(line for line in said.splitlines() if line.startswith("appliance-1"))


def test_a_document_is_read_once(here: World, tmp_path: Path) -> None:
    rows(here)
    (manifest,) = (tmp_path / "portal").glob("store/debian-13/*/*.manifest.json")
    manifest.unlink()
    assert rows(here)["debian-13"].security == 1


def test_a_document_of_another_digest_is_read_anew(tmp_path: Path) -> None:
    place, kept = FolderPlace(tmp_path / "store"), tmp_path / "kept"
    made = published_in(tmp_path)
    kept.mkdir()
    (kept / made.manifest.sha256).write_text("damaged")
    found = status.document_of(place, "debian-13", made, kept)
    assert isinstance(found, model.Manifest)
    assert gathering.doubts(found) == ()


def published_in(tmp_path: Path) -> Build:
    folder = built(tmp_path / "theirs", NEW)
    return put(publisher(tmp_path), Built("debian-13", NEW, folder)).build
