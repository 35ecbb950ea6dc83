# SPDX-License-Identifier: GPL-2.0-or-later
"""A store in a folder: files whole or not at all, and no way out of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import ForgeError, InfrastructureError, UsageError
from builder.store import paths
from builder.store.folder import PIECE, FolderPlace
from builder.store.open import open_place, open_readable

BAD = (
    "/etc/passwd",
    "..",
    "../x",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    ".",
    "...",
    "a b",
    "a\\b",
    "a\nb",
    "a\x00b",
    "-rf",
    "é",
    "a/" * 600 + "a",
)


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    root = tmp_path / "store"
    root.mkdir()
    return FolderPlace(root)


def read(place: FolderPlace, path: str, offset: int = 0) -> bytes:
    with place.open(path, offset) as file:
        return file.read()


def test_safe_paths() -> None:
    assert paths.parts("") == ()
    assert paths.parts("debian-13/20261121.1/a_b~c+d.raw") == (
        "debian-13",
        "20261121.1",
        "a_b~c+d.raw",
    )
    assert paths.parts(".staging/a") == (".staging", "a")
    with pytest.raises(UsageError, match="names the store itself"):
        paths.checked("")


@pytest.mark.parametrize("path", BAD)
def test_no_path_leaves_the_store(path: str, place: FolderPlace, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x")
    calls: tuple[Callable[[], object], ...] = (
        lambda: paths.parts(path),
        lambda: place.size(path),
        lambda: read(place, path),
        lambda: place.names(path),
        lambda: place.write(path, b""),
        lambda: place.upload(source, path, lambda _: None),
        lambda: place.move("a", path),
        lambda: place.move(path, "a"),
        lambda: place.remove(path),
    )
    for call in calls:
        with pytest.raises(UsageError, match="is no path in a store"):
            call()
    assert list(place.root.iterdir()) == []


def test_write_read_move_remove(place: FolderPlace) -> None:
    place.write("a/b/file", b"one")
    place.write("a/b/file", b"two2")
    assert (place.size("a/b/file"), read(place, "a/b/file", 3)) == (4, b"2")
    assert place.names("") == ("a",)
    assert place.names("a/b") == ("file",)
    place.move("a/b", "c/d/e")
    assert (place.names("a"), place.names("c/d/e")) == ((), ("file",))
    place.remove("c")
    place.remove("c")
    place.remove("no/such")
    assert place.names("") == ("a",)
    assert (place.size("no"), place.size("a/no"), place.names("no")) == (None, None, ())
    for absent in ("no", "a/no", "no/no"):
        with pytest.raises(FileNotFoundError):
            read(place, absent)


def test_nothing_is_moved_over_something(place: FolderPlace) -> None:
    place.write("a/file", b"")
    (place.root / "b").mkdir()
    with pytest.raises(InfrastructureError, match="exists"):
        place.move("a", "b")


def test_a_folder_is_no_file(place: FolderPlace) -> None:
    place.write("a/b/file", b"")
    for call in (lambda: place.size("a/b"), lambda: read(place, "a/b")):
        with pytest.raises(InfrastructureError, match="no regular file"):
            call()
    with pytest.raises(InfrastructureError):
        place.size("a/b/file/under")


def test_an_upload_goes_on(place: FolderPlace, tmp_path: Path) -> None:
    source = tmp_path / "image"
    content = os.urandom(2 * PIECE + 17)
    source.write_bytes(content)
    moved: list[int] = []

    def broken_off(count: int) -> None:
        moved.append(count)
        if len(moved) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.upload(source, "a/image", broken_off)
    assert place.size("a/image") is None
    assert place.names("a") == ()
    (partial,) = (place.root / "a").iterdir()
    before = partial.stat().st_ino
    place.upload(source, "a/image", moved.append)
    assert read(place, "a/image") == content
    assert (place.root / "a/image").stat().st_ino == before
    assert sum(moved[2:]) == len(content)
    # What is left of another file is not taken over, and neither is its end.
    (place.root / "a" / partial.name).write_bytes(b"z" * 5 * PIECE)
    place.upload(source, "a/image", lambda _: None)
    assert read(place, "a/image") == content
    assert place.names("a") == ("image",)


@pytest.mark.parametrize("link", ["inside", "outside"])
def test_links_are_not_followed(link: str, place: FolderPlace, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"new")
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "secret").write_bytes(b"secret")
    place.write("real/secret", b"secret")
    target = {"inside": place.root / "real", "outside": outside}[link]
    (place.root / "folder").symlink_to(target)
    (place.root / "file").symlink_to(target / "secret")
    place.write("plain/file", b"")
    calls: tuple[Callable[[], object], ...] = (
        lambda: place.size("file"),
        lambda: read(place, "file"),
        lambda: place.size("folder/secret"),
        lambda: read(place, "folder/secret"),
        lambda: place.names("folder"),
        lambda: place.write("folder/new", b""),
        lambda: place.upload(source, "folder/new", lambda _: None),
        lambda: place.remove("folder/secret"),
        lambda: place.move("plain", "folder/plain"),
        lambda: place.move("folder/inner", "plain/inner"),
    )
    for call in calls:
        with pytest.raises(InfrastructureError):
            call()
    # In place of a link a file is put, and a link is removed, not what it leads to.
    place.write("file", b"mine")
    assert read(place, "file") == b"mine"
    place.remove("folder")
    assert (target / "secret").read_bytes() == b"secret"
    assert (place.root / "plain/file").exists()


def test_a_partial_file_that_is_a_link_is_not_written_through(
    place: FolderPlace, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        place.upload(victim, "name", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    (partial,) = (each for each in place.root.iterdir() if each.is_file())
    partial.unlink()
    partial.symlink_to(victim)
    with pytest.raises(InfrastructureError):
        place.write("name", b"new")
    assert victim.read_bytes() == b"old"


def test_a_pipe_is_not_waited_for(place: FolderPlace) -> None:
    os.mkfifo(place.root / "pipe")
    for call in (lambda: place.size("pipe"), lambda: read(place, "pipe")):
        with pytest.raises(InfrastructureError, match="no regular file"):
            call()


def test_one_publisher_at_a_time(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "new")
    with place.lock():
        with (
            pytest.raises(InfrastructureError, match=f"another publisher .*{os.getpid()}"),
            place.lock(),
        ):
            pass
        assert place.names("") == ()
    with place.lock():
        pass
    with (
        pytest.raises(UsageError, match="there is no folder"),
        FolderPlace(tmp_path / "none/new").lock(),
    ):
        pass


def test_a_store_that_is_not_there_is_not_an_empty_one(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "unmounted")
    calls: tuple[Callable[[], object], ...] = (
        lambda: place.size("a"),
        lambda: place.names(""),
        lambda: read(place, "a"),
    )
    for call in calls:
        with pytest.raises(InfrastructureError, match="there is no folder"):
            call()


def test_what_is_forbidden_is_not_absent(
    place: FolderPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root is forbidden nothing, so the system's answer is put in its place.
    def forbidden(*_args: object, **_kwargs: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", forbidden)
    calls: tuple[Callable[[], object], ...] = (
        lambda: place.size("a/file"),
        lambda: place.names("a"),
        lambda: read(place, "a/file"),
    )
    for call in calls:
        with pytest.raises(InfrastructureError, match="denied"):
            call()


def test_places_by_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("store", str(tmp_path / "store"), f"file://{tmp_path}/store"):
        for opened in (open_place(url), open_readable(url)):
            assert opened.url == str(tmp_path / "store")
    assert open_place("file:///a%20b").url == "/a b"
    assert open_place("a:b").url == str(tmp_path / "a:b")
    for wrong in ("file://elsewhere.invalid/x", "file:x", "gopher://x.invalid/y"):
        with pytest.raises(UsageError):
            open_readable(wrong)
    assert open_readable("https://images.invalid/store/").url == "https://images.invalid/store"
    for unsafe in (
        "http://images.invalid/store",
        "https:///store",
        "https://images.invalid/store?x=1",
        "https://me:secret@images.invalid/store",
    ):
        with pytest.raises(UsageError) as refused:
            open_readable(unsafe)
        assert "secret" not in f"{refused.value} {refused.value.hint}"
    with pytest.raises(UsageError, match="cannot be published to by https://"):
        open_place("https://images.invalid/store")
    with pytest.raises(ForgeError) as raised:
        open_place("ftp://me:secret@x.invalid/y")
    assert "secret" not in f"{raised.value} {raised.value.hint}"
