# SPDX-License-Identifier: GPL-2.0-or-later
"""Pulling over a line that breaks, from servers that lie, onto disks that are full."""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.channels import DEFAULTS
from builder.errors import InfrastructureError, UsageError
from builder.facility import deltas, loose, pulling
from builder.facility.asking import Source
from builder.facility.deltas import Bases, Update
from builder.facility.pulling import Pulled
from builder.facility.refs import parse
from builder.facility.remotes.store import PublishedStore
from builder.facility.removing import remove
from builder.facility.site import Site
from builder.progress import NoProgress
from builder.store.folder import FolderPlace
from builder.store.https import HttpsPlace
from builder.store.index import Build, Delta, Image, SeriesEntry
from builder.store.memory import Memory
from builder.store.place import OnBytes, Readable
from builder.store.tending import Wishes, promote
from tests.integration.test_store_https import Answer, Handler, Server, cut_off, endless, in_parts
from tests.integration.test_store_killed import child
from tests.unit.facilities import MONTH, NAME, look, newest, now, portal, site, source
from tests.unit.stores import Seal, publisher

CUTS = 100
SERIAL = "20261121"
IMAGE = os.urandom(3_000_000)
# Bytes that a file may have, where there is no room for the image.
ROOM = 1 << 20


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends loses nothing that the kernel has; a busy disk need not hold tests up."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def north(tmp_path: Path) -> Site:
    return site(tmp_path / "north")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    """A portal with one build, on a web server that does as it should."""
    (tmp_path / "portal").mkdir()
    portal(tmp_path / "portal", SERIAL, IMAGE)
    server = Server(tmp_path / "portal/store", in_parts)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def from_server(server: Server, north: Site) -> Source:
    return source("portal", HttpsPlace.at(server.url), north)


def pull(north: Site, *sources: Source, ref: str = NAME) -> Pulled:
    return pulling.pull(north, sources, parse(ref), now(), NoProgress())


def brought(north: Site, image: bytes = IMAGE) -> bool:
    """Whether the build is in the site's store, whole, and nothing is left aside."""
    store = north.store.place.root
    (file,) = store.rglob("*.qcow2")
    assert not [path for path in north.incoming.rglob("*") if path.is_file()]
    return look(north) == {SERIAL: "public"} and file.read_bytes() == image


def nothing(north: Site) -> bool:
    """Whether nothing is visible under its name, neither here nor on the way."""
    images = [path for path in north.folder.rglob("*") if path.suffix == ".qcow2"]
    return not images and look(north) == {}


def test_a_line_that_breaks_a_hundred_times(served: Server, north: Site) -> None:
    """The image comes in as many pieces, and no byte of it comes twice."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    points = random.Random(seed)  # noqa: S311
    sent, breaks = [0], [0]

    def breaking(handler: Handler, content: bytes) -> None:
        """A few bytes of an image, and sometimes of other files; then the connection ends."""
        image = handler.path.endswith(".qcow2")
        if breaks[0] >= CUTS or handler.command == "HEAD" or not (image or points.random() < 0.05):
            in_parts(handler, content)
            sent[0] += len(content) - begin(handler) if image else 0
            return
        breaks[0] += 1
        rest = content[begin(handler) :]
        piece = rest[: points.randrange(len(rest) // 20) if image else len(rest) // 2]
        sent[0] += len(piece) if image else 0
        whole = len(content)
        told = f"bytes {whole - len(rest)}-{whole - 1}/{whole}"
        status = 206 if begin(handler) else 200
        handler.send(status, piece, Content_Length=str(len(rest)), Content_Range=told)

    served.answer = breaking
    failed = 0
    while True:
        try:
            done = pull(north, from_server(served, north))
            break
        except InfrastructureError:
            failed += 1
            assert nothing(north)
    assert brought(north)
    # Two small files may break in one try.
    assert CUTS // 2 < failed <= breaks[0] == CUTS
    assert sent[0] == len(IMAGE)
    assert done.how == "whole"


def begin(handler: Handler) -> int:
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    return int(found[1]) if found else 0


def tampered(handler: Handler, content: bytes) -> None:
    in_parts(handler, content[:-1] + bytes([content[-1] ^ 1]))


def shorter(handler: Handler, content: bytes) -> None:
    in_parts(handler, content[: len(content) // 2])


def longer(handler: Handler, content: bytes) -> None:
    in_parts(handler, content + b"x")


def page(handler: Handler, _content: bytes) -> None:
    """What a captive portal answers, whatever was asked for."""
    handler.send(200, b"<html>Log in</html>", Content_Type="text/html")


def forbidden(handler: Handler, _content: bytes) -> None:
    handler.send(403, b"")


LIES: dict[str, Answer] = {
    "another length, less": cut_off,
    "less": shorter,
    "more": longer,
    "without an end": endless,
    "another content": tampered,
    "another type": page,
    "nothing": forbidden,
}


@pytest.mark.parametrize("victim", [".qcow2", ".manifest.json", ".fai.log.gz", "SHA256SUMS"])
@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies(lie: str, victim: str, served: Server, north: Site) -> None:
    """Nothing becomes visible; and when it is honest again, the same call does it."""
    told = []

    def answer(handler: Handler, content: bytes) -> None:
        # A reader that asks for the size first is told the truth about that.
        if handler.path.endswith(victim) and handler.command == "GET":
            told.append(handler.path)
            LIES[lie](handler, content)
        else:
            in_parts(handler, content)

    served.answer = answer
    with pytest.raises(InfrastructureError):
        pull(north, from_server(served, north))
    assert told
    assert nothing(north) or victim != ".qcow2"
    assert look(north) == {}
    served.answer = in_parts
    pull(north, from_server(served, north))
    assert brought(north)


@pytest.mark.parametrize("lie", ["another length, less", "another content", "another type"])
def test_a_server_that_lies_about_its_index(lie: str, served: Server, north: Site) -> None:
    served.answer = LIES[lie]
    with pytest.raises(InfrastructureError):
        pull(north, from_server(served, north))
    assert nothing(north)


def test_a_size_that_is_a_lie(served: Server, north: Site) -> None:
    """Of what lies beside an image only the server tells a size; it may not fill the disk."""

    def answer(handler: Handler, content: bytes) -> None:
        if handler.path.endswith(".fai.log.gz") and handler.command == "HEAD":
            handler.send(200, b"", Content_Length=str(1 << 50))
        else:
            in_parts(handler, content)

    served.answer = answer
    with pytest.raises(InfrastructureError, match="has 1125899906842624 bytes"):
        pull(north, from_server(served, north))
    assert look(north) == {}


def test_an_index_that_is_rolled_back(served: Server, north: Site, tmp_path: Path) -> None:
    old = (tmp_path / "portal/store/index.json.asc").read_bytes()
    portal(tmp_path / "portal", "20261122", b"next")
    pull(north, from_server(served, north))
    (tmp_path / "portal/store/index.json.asc").write_bytes(old)
    with pytest.raises(InfrastructureError, match="has the serial 1, and 2 was seen before"):
        pull(north, from_server(served, north), ref=f"{NAME}:{SERIAL}")
    assert look(north) == {"20261122": "public"}


def test_an_index_that_has_expired(tmp_path: Path, north: Site) -> None:
    portal(tmp_path, SERIAL, when=now() - MONTH)
    with pytest.raises(InfrastructureError, match="was valid until"):
        pull(north, source("portal", FolderPlace(tmp_path / "store"), north))
    assert nothing(north)


def test_an_index_of_somebody_else(served: Server, north: Site) -> None:
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        pull(north, source("portal", HttpsPlace.at(served.url), north, secret=b"other"))
    assert nothing(north)


def cramped(call: Callable[[], object]) -> int:
    """The exit code of a call in a process whose files may have ROOM bytes."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
        call()

    with child(limited) as pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_disk_that_is_full(served: Server, north: Site) -> None:
    """On the way, and on the way into the store; when there is room, the same call does it."""
    remote = from_server(served, north)
    assert cramped(lambda: pull(north, remote)) == InfrastructureError.exit_code
    assert nothing(north)

    # All of it is here; the store has no room for it.
    store = remote.open()
    (offer,) = store.offers(NAME)
    store.bring(offer, ("qcow2",), north.incoming / "portal" / NAME / SERIAL, lambda _: None)
    assert cramped(lambda: pull(north, remote)) == InfrastructureError.exit_code
    assert look(north) == {}
    served.ranges.clear()
    done = pull(north, remote)
    assert brought(north)
    assert done.transferred < len(IMAGE) // 10


def test_what_is_here_is_not_fetched_again(served: Server, north: Site) -> None:
    pull(north, from_server(served, north))
    done = pull(north, from_server(served, north), ref=f"{NAME}:{SERIAL}")
    assert (done.answer, done.transferred) == ("unchanged", 0)


def test_other_content_under_a_name_that_is_here(
    tmp_path: Path, served: Server, north: Site
) -> None:
    pull(north, from_server(served, north))
    (tmp_path / "other").mkdir()
    portal(tmp_path / "other", SERIAL, b"other")
    other = source("mirror", FolderPlace(tmp_path / "other/store"), north)
    with pytest.raises(UsageError, match="is here with other content than mirror has"):
        pull(north, other)
    assert brought(north)


def test_a_remote_that_is_down_among_others(
    tmp_path: Path, served: Server, north: Site, caplog: pytest.LogCaptureFixture
) -> None:
    down = source("mirror", FolderPlace(tmp_path / "nowhere"), north)
    assert pull(north, down, from_server(served, north)).answer == "pulled"
    assert "mirror: there is no folder" in caplog.text
    with pytest.raises(InfrastructureError, match="mirror cannot be asked"):
        pull(north, down, from_server(served, north), ref=f"{NAME}:20261130")
    with pytest.raises(UsageError, match="did you mean debian-13"):
        pull(north, from_server(served, north), ref="debain-13")


def test_a_remote_that_breaks_while_another_has_the_same(
    tmp_path: Path, served: Server, north: Site
) -> None:
    served.answer = lambda handler, content: (
        forbidden if handler.path.endswith(".qcow2") else in_parts
    )(handler, content)
    shutil.copytree(tmp_path / "portal/store", tmp_path / "copy")
    mirror = source("mirror", FolderPlace(tmp_path / "copy"), north)
    done = pull(north, from_server(served, north), mirror)
    assert done.offer.remote == "mirror"
    assert newest(north).origin == str(tmp_path / "copy")


def test_a_tag_pins_what_is_pulled_by_it(tmp_path: Path, north: Site) -> None:
    portal(tmp_path, SERIAL)
    promote(publisher(tmp_path), Wishes(monthly=True), DEFAULTS, now())
    remote = source("portal", FolderPlace(tmp_path / "store"), north)
    tag = f"{now():%Y%m}"
    pull(north, remote)
    assert newest(north).tags == ()
    done = pull(north, remote, ref=f"{NAME}:{tag}")
    assert [entry.tag for entry in done.build.tags] == [tag]
    assert newest(north) == done.build


def test_a_removed_build_comes_back(served: Server, north: Site) -> None:
    pull(north, from_server(served, north))
    remove(north.store, [(NAME, newest(north))], now())
    assert look(north) == {SERIAL: "removed"}
    assert pull(north, from_server(served, north)).answer == "pulled"
    assert brought(north)


def fake_update(base: bytes, delta: bytes) -> Callable[..., Update | None]:
    """In the place of zstd: an image is its base and the delta behind it."""

    def update(
        place: Readable,
        entry: SeriesEntry,
        build: Build,
        image: Image,
        bases: Bases,
        target: Path,
        on_bytes: OnBytes,
    ) -> Update | None:
        for each in build.deltas:
            path = bases(each.base, image.format)
            if path is None:
                continue
            assert path.read_bytes() == base
            with place.open(f"{entry.name}/{build.serial}/{each.name}") as source_:
                target.write_bytes(base + source_.read())
            assert delta == target.read_bytes()[len(base) :]
            on_bytes(image.size)
            return Update(each.size, 1)
        return None

    return update


def test_a_delta_comes_once_and_is_handed_on(
    tmp_path: Path, served: Server, north: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second site that has the base takes it from the first."""
    delta, file = os.urandom(300_000), f"{NAME}-20261122.qcow2.delta"
    sha256 = hashlib.sha256(delta).hexdigest()
    named = Delta(name=file, size=len(delta), sha256=sha256, format="qcow2", base=SERIAL)
    monkeypatch.setattr(deltas, "update", fake_update(IMAGE, delta))
    south = site(tmp_path / "south", name="south")
    north_store = source("north", FolderPlace(north.folder / "store"), south, b"site")
    pull(north, from_server(served, north))
    pull(south, north_store)

    more = {file: delta}
    portal(tmp_path / "portal", "20261122", IMAGE + delta, more=more, deltas=(named,))
    done = pull(north, from_server(served, north))
    assert done.how == "1 delta"
    assert len(delta) < done.transferred < len(delta) + 100_000
    assert newest(north).deltas == (named,)
    done = pull(south, north_store)
    assert done.how == "1 delta"
    assert done.transferred < len(delta) + 100_000
    assert look(north) == look(south) == {SERIAL: "public", "20261122": "public"}
    # Who has no base has no use for it.
    west = site(tmp_path / "west", name="west")
    assert pull(west, from_server(served, west)).how == "whole"
    assert newest(west).deltas == ()
    assert not list((west.folder / "store").rglob("*.delta"))


@pytest.mark.parametrize("left", [b"", b"wrong"])
def test_a_delta_that_makes_nothing_of_use_costs_the_whole_image(
    left: bytes, tmp_path: Path, served: Server, north: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def update(*arguments: Any) -> Update | None:
        if not left:
            return None
        arguments[5].write_bytes(left)
        return Update(len(left), 1)

    pull(north, from_server(served, north))
    portal(tmp_path / "portal", "20261122", b"next")
    monkeypatch.setattr(deltas, "update", update)
    assert pull(north, from_server(served, north)).how == "whole"
    assert look(north) == {SERIAL: "public", "20261122": "public"}


def test_what_an_earlier_try_left_does_not_come_in(served: Server, north: Site) -> None:
    """Another file under the image's name, another format, what was made of deltas so far."""
    folder = north.incoming / "portal" / NAME / SERIAL
    (folder / ".abc.deltas").mkdir(parents=True)
    for name in (f"{NAME}-{SERIAL}.qcow2", f"{NAME}-{SERIAL}.raw", ".def.partial"):
        (folder / name).write_bytes(b"x" * len(IMAGE))
    pull(north, from_server(served, north))
    assert brought(north)
    names = {path.name for path in (north.folder / "store" / NAME / SERIAL).iterdir()}
    assert f"{NAME}-{SERIAL}.raw" not in names


def test_what_a_store_has_removed_is_not_offered(
    tmp_path: Path, served: Server, north: Site
) -> None:
    pull(north, from_server(served, north))
    remove(north.store, [(NAME, newest(north))], now())
    portal(tmp_path / "portal", "20261122", b"next")
    pull(north, from_server(served, north))
    south = site(tmp_path / "south", name="south")
    first = source("north", FolderPlace(north.folder / "store"), south, b"site")
    with pytest.raises(UsageError, match=f"north has no {NAME}:{SERIAL}"):
        pull(south, first, ref=f"{NAME}:{SERIAL}")


def test_one_pull_of_a_series_at_a_time(served: Server, north: Site) -> None:
    with (
        pulling.alone(north, NAME),
        pytest.raises(InfrastructureError, match=f"another pull of {NAME} is at work"),
    ):
        pull(north, from_server(served, north))
    assert nothing(north)


def test_a_plain_folder(tmp_path: Path, served: Server) -> None:
    """Laid out as builds are; broken off, it has no name that a build has."""
    into = tmp_path / "out"
    store = PublishedStore("portal", HttpsPlace.at(served.url), Seal(), Memory(tmp_path / "seen"))

    def fetch() -> loose.Fetched:
        sources = [Source("portal", lambda: store)]
        return loose.pull(sources, parse(NAME), ("qcow2",), into, NoProgress())

    def late(handler: Handler, content: bytes) -> None:
        (cut_off if handler.path.endswith(".qcow2") else in_parts)(handler, content)

    served.answer = late
    with pytest.raises(InfrastructureError):
        fetch()
    assert [path.name for path in (into / NAME).iterdir() if path.name[0] != "."] == []
    served.answer = in_parts
    done = fetch()
    assert done.answer == "pulled"
    assert len(IMAGE) // 2 < done.transferred < len(IMAGE)
    assert (into / NAME / SERIAL / f"{NAME}-{SERIAL}.qcow2").read_bytes() == IMAGE
    assert [path.name for path in (into / NAME).iterdir()] == [SERIAL]
    assert fetch().answer == "unchanged"
    done.built.manifest.write_text("another one")
    with pytest.raises(UsageError, match="is there, and is not"):
        fetch()
