# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a store that somebody else may have changed: nothing wrong gets through."""

from __future__ import annotations

import io
import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest

from builder.downloads import pieces
from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.store import fetching, memory, reading, schema, writing
from builder.store.folder import FolderPlace
from builder.store.index import Build, Digest, StoreIndex
from builder.store.place import Readable
from builder.store.publishing import Published
from builder.store.writing import Publisher
from tests.unit.stores import NOW, Seal, build, publisher, put

SCHEMA = Path(__file__).parents[2] / "schema/store-index.schema.json"
FOLDER = "debian-13/20261121"
STEM = "debian-13-20261121"
IMAGE = f"{FOLDER}/{STEM}.qcow2"


@pytest.fixture
def store(tmp_path: Path) -> Publisher:
    return publisher(tmp_path)


@pytest.fixture
def done(store: Publisher, tmp_path: Path) -> Published:
    return put(store, build(tmp_path / "out", "20261121", image=b"0123456789" * 300_000))


def root(store: Publisher) -> Path:
    assert isinstance(store.place, FolderPlace)
    return store.place.root


def image(done: Published) -> Digest:
    (found,) = done.build.images
    return found


def sealed(store: Publisher, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the index and sign it as its publisher would."""
    document = json.loads(Seal().opened((root(store) / "index.json.asc").read_bytes(), "it"))
    change(document)
    text = json.dumps(document).encode()
    (root(store) / "index.json.asc").write_bytes(Seal().clearsigned(text))


def test_an_image_comes_over_whole(store: Publisher, done: Published, tmp_path: Path) -> None:
    index = reading.read(store.place, Seal(), memory.Memory(tmp_path / "reader"), NOW)
    assert index == done.index
    moved: list[int] = []
    target = tmp_path / "image"
    fetching.fetch(store.place, IMAGE, image(done), target, moved.append)
    assert target.read_bytes() == (root(store) / IMAGE).read_bytes()
    assert sum(moved) == image(done).size
    fetching.fetch(store.place, IMAGE, image(done), target)
    target.write_bytes(b"mine")
    with pytest.raises(InfrastructureError, match="is not what the store has"):
        fetching.fetch(store.place, IMAGE, image(done), target)
    assert target.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["image"]


@dataclass(frozen=True)
class Spoilt:
    """A place whose files are what a test makes of them."""

    place: Readable
    spoil: Callable[[IO[bytes]], IO[bytes]]

    @property
    def url(self) -> str:
        return self.place.url

    def size(self, path: str) -> int | None:
        return self.place.size(path)

    def open(self, path: str, offset: int = 0) -> AbstractContextManager[IO[bytes]]:
        @contextmanager
        def opened() -> Iterator[IO[bytes]]:
            with self.place.open(path, offset) as file:
                yield self.spoil(file)

        return opened()


class Endless(io.RawIOBase):
    """Never ends, and counts what it gave."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"x" * len(buffer)
        Endless.given += len(buffer)
        return len(buffer)


class Broken(io.RawIOBase):
    """Breaks off after its first piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._left = [file.read(1000)]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            raise ConnectionResetError(104, "Connection reset by peer")
        piece = self._left.pop()
        buffer[: len(piece)] = piece
        return len(piece)


def endless(_file: IO[bytes]) -> IO[bytes]:
    Endless.given = 0
    return io.BufferedReader(Endless(), 1 << 16)


def test_an_endless_file_is_cut_off(store: Publisher, done: Published, tmp_path: Path) -> None:
    place, target = Spoilt(store.place, endless), tmp_path / "image"
    with pytest.raises(InfrastructureError, match="is larger than it may be"):
        fetching.fetch(place, IMAGE, image(done), target)
    assert Endless.given < image(done).size + (1 << 20)
    with pytest.raises(InfrastructureError, match="is larger than it may be"):
        reading.manifest(place, "debian-13", done.build)
    with pytest.raises(InfrastructureError, match="is larger than it may be"):
        fetching.small(place, "index.json.asc", 10_000)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_tampered_image_never_has_its_name(
    store: Publisher, done: Published, tmp_path: Path
) -> None:
    content = bytearray((root(store) / IMAGE).read_bytes())
    content[2_000_000] ^= 1
    (root(store) / IMAGE).write_bytes(content)
    with pytest.raises(InfrastructureError, match="its digest is another"):
        fetching.fetch(store.place, IMAGE, image(done), tmp_path / "image")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_fetch_goes_on(store: Publisher, done: Published, tmp_path: Path) -> None:
    target = tmp_path / "image"
    broken = Spoilt(store.place, lambda file: io.BufferedReader(Broken(file), 100))
    with pytest.raises(InfrastructureError, match="cannot be read: Connection reset"):
        fetching.fetch(broken, IMAGE, image(done), target)
    short = Spoilt(store.place, lambda file: io.BytesIO(file.read(5000)))
    with pytest.raises(InfrastructureError, match=r"ends after \d+ of 3000000 bytes"):
        fetching.fetch(short, IMAGE, image(done), target)
    (partial,) = (path for path in tmp_path.iterdir() if path.is_file())
    assert (partial.name.startswith("."), target.exists()) == (True, False)
    kept = partial.stat().st_size
    assert kept >= 5000
    asked: list[int] = []

    def counted(file: IO[bytes]) -> IO[bytes]:
        content = file.read()
        asked.append(len(content))
        return io.BytesIO(content)

    fetching.fetch(Spoilt(store.place, counted), IMAGE, image(done), target)
    assert target.read_bytes() == (root(store) / IMAGE).read_bytes()
    assert asked == [image(done).size - kept]


def test_leftovers_of_something_else_do_not_stay(
    store: Publisher, done: Published, tmp_path: Path
) -> None:
    target = tmp_path / "image"
    short = Spoilt(store.place, lambda _: io.BytesIO(b"z" * 5000))
    with pytest.raises(InfrastructureError, match="ends after"):
        fetching.fetch(short, IMAGE, image(done), target)
    with pytest.raises(InfrastructureError, match="its digest is another"):
        fetching.fetch(store.place, IMAGE, image(done), target)
    fetching.fetch(store.place, IMAGE, image(done), target)
    assert target.exists()


def test_a_partial_file_that_is_a_link_is_not_written_through(
    store: Publisher, done: Published, tmp_path: Path
) -> None:
    target, victim = tmp_path / "image", tmp_path / "victim"
    with pytest.raises(InfrastructureError):
        fetching.fetch(Spoilt(store.place, lambda _: io.BytesIO(b"")), IMAGE, image(done), target)
    (partial,) = (path for path in tmp_path.iterdir() if path.is_file())
    victim.write_bytes(b"old")
    partial.unlink()
    partial.symlink_to(victim)
    with pytest.raises(InfrastructureError, match="cannot be written"):
        fetching.fetch(store.place, IMAGE, image(done), target)
    assert victim.read_bytes() == b"old"


def test_a_link_out_of_the_store_is_not_followed(
    store: Publisher, done: Published, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes((root(store) / IMAGE).read_bytes())
    (root(store) / IMAGE).unlink()
    (root(store) / IMAGE).symlink_to(outside)
    with pytest.raises(InfrastructureError, match="symbolic"):
        fetching.fetch(store.place, IMAGE, image(done), tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_what_cannot_be_written_is_not_the_stores_fault(
    store: Publisher, done: Published, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (image(done).size // 2, before[1]))
    try:
        with pytest.raises(InfrastructureError, match="image cannot be written: File too large"):
            fetching.fetch(store.place, IMAGE, image(done), tmp_path / "image")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fetching.fetch(store.place, IMAGE, image(done), tmp_path / "image")


def test_a_slow_server_is_left(
    store: Publisher, done: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100_000, 50))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(pieces, "PIECE", 100)
    with pytest.raises(InfrastructureError, match="too slowly: 200 bytes in 100 s"):
        fetching.fetch(store.place, IMAGE, image(done), tmp_path / "image")


def test_what_the_index_names_and_is_not_there(
    store: Publisher, done: Published, tmp_path: Path
) -> None:
    (root(store) / IMAGE).unlink()
    (root(store) / FOLDER / "SHA256SUMS").unlink()
    with pytest.raises(InfrastructureError, match="which its index names"):
        fetching.fetch(store.place, IMAGE, image(done), tmp_path / "image")
    with pytest.raises(InfrastructureError, match="which its index names"):
        reading.sums(store.place, "debian-13", done.build)


def test_documents_of_a_build_are_verified(store: Publisher, done: Published) -> None:
    for name in (f"{STEM}.manifest.json", "SHA256SUMS"):
        path = root(store) / FOLDER / name
        path.write_bytes(path.read_bytes().replace(b"a", b"b"))
    with pytest.raises(InfrastructureError, match="its digest is another"):
        reading.manifest(store.place, "debian-13", done.build)
    with pytest.raises(InfrastructureError, match="its digest is another"):
        reading.sums(store.place, "debian-13", done.build)


def test_a_manifest_of_another_build(store: Publisher, done: Published) -> None:
    other = done.build.model_copy(update={"serial": "20261122"})
    (root(store) / FOLDER).rename(root(store) / "debian-13/20261122")
    with pytest.raises(InfrastructureError, match=f"is the manifest of {STEM}"):
        reading.manifest(store.place, "debian-13", other)


@pytest.mark.usefixtures("done")
def test_a_tampered_index(store: Publisher) -> None:
    path = root(store) / "index.json.asc"
    path.write_bytes(path.read_bytes().replace(b'"size": 3000000', b'"size": 3000001'))
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        reading.read(store.place, Seal(), store.memory, NOW)


@pytest.mark.usefixtures("done")
def test_an_index_of_another_key(store: Publisher) -> None:
    with pytest.raises(InfrastructureError, match="was changed after it was signed"):
        reading.read(store.place, Seal(b"reader's"), store.memory, NOW)


@pytest.mark.usefixtures("done")
def test_an_unsigned_index(store: Publisher, tmp_path: Path) -> None:
    (root(store) / "index.json.asc").unlink()
    assert reading.is_store(store.place)
    with pytest.raises(InfrastructureError, match="there is no index"):
        reading.read(store.place, Seal(), memory.Memory(tmp_path / "reader"), NOW)
    with pytest.raises(InfrastructureError, match="is gone"):
        reading.read(store.place, Seal(), store.memory, NOW)


@pytest.mark.usefixtures("done")
def test_an_old_index_and_an_expired_one(store: Publisher, tmp_path: Path) -> None:
    old = (root(store) / "index.json.asc").read_bytes()
    put(store, build(tmp_path / "out", "20261122"))
    reader, late = memory.Memory(tmp_path / "reader"), NOW + timedelta(days=30)
    assert reading.read(store.place, Seal(), reader, late - timedelta(seconds=1)).serial == 2
    (root(store) / "index.json.asc").write_bytes(old)
    with pytest.raises(InfrastructureError, match="has the serial 1, and 2 was seen") as raised:
        reading.read(store.place, Seal(), reader, NOW)
    assert str(reader.path(store.place.url)) in raised.value.hint
    # Who never saw another cannot know, but not for long.
    stranger = memory.Memory(tmp_path / "stranger")
    assert reading.read(store.place, Seal(), stranger, NOW).serial == 1
    with pytest.raises(InfrastructureError, match="was valid until"):
        reading.read(store.place, Seal(), stranger, late)


def test_memory(tmp_path: Path) -> None:
    kept = memory.Memory(tmp_path / "deep/stores")
    assert kept.seen("a") == 0
    kept.remember("a", 7)
    kept.remember("a", 3)
    kept.remember("b", 1)
    assert (kept.seen("a"), kept.seen("b")) == (7, 1)
    kept.path("a").write_text("{}")
    with pytest.raises(InfrastructureError, match="cannot be read"):
        kept.seen("a")
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match="Not a directory"):
        memory.Memory(tmp_path / "file/stores").remember("a", 1)


def of(document: dict[str, Any]) -> dict[str, Any]:
    """The build of an index."""
    found: dict[str, Any] = document["series"][0]["builds"][0]
    return found


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda doc: of(doc)["images"][0].update(name="../../../etc/passwd"), "images.0.name"),
        (lambda doc: of(doc)["images"][0].update(name="/etc/passwd"), "images.0.name"),
        (lambda doc: of(doc)["images"][0].update(name=".."), "images.0.name"),
        (lambda doc: of(doc)["images"][0].update(size="3"), "images.0.size"),
        (lambda doc: of(doc)["images"][0].update(sha256="A" * 64), "images.0.sha256"),
        (lambda doc: of(doc)["manifest"].update(name="a/b"), "manifest.name"),
        (lambda doc: of(doc)["sums"].update(name="..\\x"), "sums.name"),
        (lambda doc: of(doc).update(serial="../20261121"), "serial"),
        (lambda doc: of(doc).update(serial="20261121\n"), "serial"),
        (lambda doc: of(doc).update(channel=".."), "channel"),
        (lambda doc: doc["series"][0].update(name="../x"), "series.0.name"),
        (lambda doc: doc["series"][0].update(name="debian-13/x"), "series.0.name"),
        (lambda doc: doc["series"].append(doc["series"][0]), "a series stands there twice"),
        (lambda doc: doc.update(more=1), "more"),
        (lambda doc: doc.update(serial=-1), "serial"),
        (lambda doc: doc.update(apiVersion="fai-forge/v2", new=1), "no StoreIndex of fai-forge/v1"),
        (lambda doc: doc.update(kind="ImageManifest"), "no StoreIndex"),
    ],
)
def test_no_name_of_an_index_becomes_a_path(
    change: Callable[[dict[str, Any]], object], words: str, store: Publisher
) -> None:
    """Also not if the publisher's key signed it."""
    sealed(store, change)
    with pytest.raises(UsageError, match=words):
        reading.read(store.place, Seal(), store.memory, NOW)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b'"x"', b"[" * 100_000])
def test_what_is_no_index(text: bytes) -> None:
    with pytest.raises(UsageError, match="it: it is no StoreIndex"):
        reading.parse(text, "it")


@pytest.mark.parametrize(
    "line",
    [
        "x",
        f"{'a' * 64} one-space",
        f"{'a' * 64}  ../x",
        f"{'a' * 64}  a/b",
        f"{'a' * 63}  name",
        f"{'A' * 64}  name",
        "",
        f"{'b' * 64}  same",
    ],
)
def test_lines_of_sums(line: str) -> None:
    good = f"{'a' * 64}  same\n"
    assert reading.parse_sums(good + good, "x") == {"same": "a" * 64}
    with pytest.raises(UsageError, match="x, line 2"):
        reading.parse_sums(f"{good}{line}\n", "x")


def test_a_document_that_the_index_makes_huge(store: Publisher, done: Published) -> None:
    huge = done.build.manifest.model_copy(update={"size": 1 << 40})
    with pytest.raises(InfrastructureError, match="may have"):
        reading.manifest(store.place, "debian-13", done.build.model_copy(update={"manifest": huge}))


def test_the_newest_build() -> None:
    entry = reading.series(_many(1, 12), "debian-13-0")
    assert entry is not None
    builds = list(entry.builds)
    builds[-1] = builds[-1].model_copy(update={"state": "hidden"})
    builds[-2] = builds[-2].model_copy(update={"channel": "daily"})
    changed = entry.model_copy(update={"builds": tuple(reversed(builds))})
    newest, released = reading.newest(changed), reading.newest(changed, "release")
    assert newest is not None
    assert released is not None
    assert (newest.serial, released.serial) == ("20260101.10", "20260101.9")
    assert writing.latest(changed) == "20260101.9\n"
    assert reading.newest(entry.model_copy(update={"builds": ()})) is None
    assert reading.series(_many(1, 1), "debian-12") is None


def _many(series: int, builds: int) -> StoreIndex:
    digest = {"size": 3, "sha256": "a" * 64}
    made = tuple(
        Build.model_validate(
            {
                "serial": f"20260101.{number}" if number else "20260101",
                "channel": "release",
                "published": NOW,
                "images": [{"name": "a.qcow2", "format": "qcow2", **digest}],
                "manifest": {"name": "a.manifest.json", **digest},
                "sums": {"name": "SHA256SUMS", **digest},
            }
        )
        for number in range(builds)
    )
    return StoreIndex.model_validate(
        {
            "serial": 1,
            "date": NOW,
            "valid_until": NOW + timedelta(days=30),
            "series": [
                {
                    "name": f"debian-13-{number}",
                    "title": "Debian 13 (trixie)",
                    "distro": "debian",
                    "release": "13",
                    "codename": "trixie",
                    "arch": "amd64",
                    "roles": [],
                    "builds": made,
                }
                for number in range(series)
            ],
        }
    )


def test_an_index_of_10_000_builds(store: Publisher) -> None:
    with store.place.lock():
        written = store.replace(None, _many(100, 100).series, NOW)
    text = (root(store) / "index.json").read_bytes()
    assert len(text) < reading.LARGEST_INDEX // 8
    # gpg signs no text with a line of 19,995 characters or more.
    assert max(map(len, text.splitlines())) < 1000
    assert reading.read(store.place, Seal(), store.memory, NOW) == written


def test_schema_is_committed() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema.schema_text()


def test_errors_are_sentences_with_a_hint(store: Publisher, tmp_path: Path) -> None:
    root(store).mkdir()
    with pytest.raises(ForgeError) as raised:
        reading.read(store.place, Seal(), replace(store.memory, folder=tmp_path / "new"), NOW)
    assert raised.value.hint
    assert not reading.is_store(store.place)
