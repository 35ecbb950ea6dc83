# SPDX-License-Identifier: GPL-2.0-or-later
"""What every place of a store does, whatever it is: a folder, an SFTP server, an S3 bucket."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.errors import InfrastructureError, UsageError
from builder.store.open import open_place
from builder.store.place import Place
from tests.integration.placeworlds import MIB, NOBODY, World


class BrokenOffError(Exception):
    """What an interrupted upload ends with."""


def read(place: Place, path: str, offset: int = 0) -> bytes:
    with place.open(path, offset) as file:
        return file.read()


def nobody(_moved: int) -> None:
    """Watch no progress."""


def local_file(folder: Path, size: int, name: str = "local") -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


def test_what_is_written_is_read_from_any_offset(world: World) -> None:
    place, content = world.place, os.urandom(3 * MIB + 17)
    place.write("a/b/file.bin", content)
    assert place.size("a/b/file.bin") == len(content)
    for offset in (0, 1, MIB, 3 * MIB + 16, 3 * MIB + 17, 4 * MIB):
        assert read(place, "a/b/file.bin", offset) == content[offset:]
    with place.open("a/b/file.bin") as file:
        assert [file.read(5), file.read(MIB)] == [content[:5], content[5 : MIB + 5]]


def test_what_is_not_there_is_absent(world: World) -> None:
    place = world.place
    place.write("a/file", b"1")
    for path in ("none", "a/none", "none/none/none"):
        assert place.size(path) is None
        with pytest.raises(FileNotFoundError):
            read(place, path)
        place.remove(path)
    assert place.names("none") == place.names("a/none") == ()


def test_what_is_forbidden_is_not_absent(world: World) -> None:
    place = world.place
    place.write("a/file", b"1")
    acts: list[Callable[[], object]] = [
        lambda: place.size("a/file"),
        lambda: place.size("a/none"),
        lambda: read(place, "a/file"),
        lambda: read(place, "a/none"),
        lambda: place.names("a"),
        lambda: place.write("a/new", b"2"),
        lambda: place.remove("a/file"),
    ]
    for act in acts:
        with world.deny("a"), pytest.raises(InfrastructureError):
            act()
    assert read(place, "a/file") == b"1"


def test_a_store_that_is_not_there_is_no_empty_one(world: World) -> None:
    gone = open_place(world.nowhere)
    for act in (lambda: gone.size("a"), lambda: gone.names(""), lambda: read(gone, "a")):
        with pytest.raises(InfrastructureError):
            act()


def test_a_small_file_is_replaced(world: World) -> None:
    for content in (b"one", b"longer than that", b"", b"short"):
        world.place.write("index.json", content)
        assert read(world.place, "index.json") == content
    assert world.place.names("") == ("index.json",)


def test_a_reader_sees_the_old_or_the_new_file(world: World) -> None:
    """Whatever is read while a file is written again and again, longer or shorter, is whole."""
    contents = {b"%d" % number: b"%d" % number * (90_000 - number * 7000) for number in range(10)}
    world.place.write("index.json", contents[b"0"])
    other, done = world.again(), threading.Event()

    def write() -> None:
        try:
            for number in (1, 7, 2, 8, 3, 9, 4, 6, 5):
                world.place.write("index.json", contents[b"%d" % number])
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        content = read(other, "index.json")
        assert content == contents[content[:1]]
    writer.join()
    assert read(other, "index.json") == contents[b"5"]


def test_an_upload_is_absent_or_whole_and_resumes(world: World, tmp_path: Path) -> None:
    local, other = local_file(tmp_path, 12 * MIB), world.again()
    moved, seen = [0], []

    def break_off(bytes_: int) -> None:
        moved[0] += bytes_
        seen.append((other.size("s/1/image"), other.names("s/1")))
        if moved[0] >= 9 * MIB:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        world.place.upload(local, "s/1/image", break_off)
    assert set(seen) == {(None, ())}
    with pytest.raises(FileNotFoundError):
        read(other, "s/1/image")

    before, told = world.sent(), list[int]()
    world.again().upload(local, "s/1/image", told.append)
    assert world.sent() - before < 8 * MIB
    assert sum(told) == 12 * MIB
    assert read(other, "s/1/image") == local.read_bytes()
    assert other.names("s/1") == ("image",)


def test_another_file_is_not_mixed_with_an_unfinished_one(world: World, tmp_path: Path) -> None:
    first, other = (local_file(tmp_path, size * MIB, f"{size}") for size in (8, 7))
    # The same beginning, so that not even a first piece tells.
    other.write_bytes(first.read_bytes()[: 5 * MIB] + other.read_bytes()[5 * MIB :])
    moved = [0]

    def break_off(bytes_: int) -> None:
        moved[0] += bytes_
        if moved[0] >= 6 * MIB:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        world.place.upload(first, "image", break_off)
    world.place.upload(other, "image", nobody)
    assert read(world.place, "image") == other.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 5 * MIB])
def test_files_of_all_sizes_arrive(world: World, tmp_path: Path, size: int) -> None:
    local, told = local_file(tmp_path, size), list[int]()
    world.place.upload(local, "image", told.append)
    assert read(world.place, "image") == local.read_bytes()
    assert world.place.size("image") == sum(told) == size


def test_several_workers_upload_at_once(world: World, tmp_path: Path) -> None:
    """Also into the same new folder."""
    files = {
        f"s/{number % 2}/x{number}": local_file(tmp_path, (number + 1) * 300_000, f"{number}")
        for number in range(8)
    }
    with ThreadPoolExecutor(4) as workers:
        upload = functools.partial(world.place.upload, on_bytes=nobody)
        list(workers.map(upload, files.values(), files))
    for path, local in files.items():
        assert read(world.place, path) == local.read_bytes()
    assert world.place.names("s/1") == ("x1", "x3", "x5", "x7")


def test_a_folder_gets_another_name(world: World) -> None:
    place = world.place
    place.write(".staging/1/a", b"a")
    place.write(".staging/1/sub/b", b"b")
    place.write("s/2/c", b"c")
    place.move(".staging/1", "s/1")
    assert [read(place, "s/1/a"), read(place, "s/1/sub/b")] == [b"a", b"b"]
    assert place.names("s") == ("1", "2")
    assert place.names(".staging") == ()
    assert place.size(".staging/1/a") is None
    with pytest.raises(InfrastructureError):
        place.move("s/1", "s/2")
    assert place.names("s/2") == ("c",)
    with pytest.raises(FileNotFoundError):
        place.move("none", "s/3")


def test_only_what_is_named_is_removed(world: World) -> None:
    place = world.place
    for path in ("s/1/a", "s/1/sub/b", "s/10/a", "s/1.x", "t"):
        place.write(path, b"x")
    place.remove("s/1")
    assert place.names("s") == ("1.x", "10")
    place.remove("s/1.x")
    place.remove("s/1.x")
    assert place.names("s") == ("10",)
    assert place.names("") == ("s", "t")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "", "a\nb"])
def test_no_path_leads_out(world: World, tmp_path: Path, path: str) -> None:
    local, place = local_file(tmp_path, 1), world.place
    for act in (
        lambda: place.size(path),
        lambda: read(place, path),
        lambda: place.write(path, b"x"),
        lambda: place.upload(local, path, nobody),
        lambda: place.remove(path),
        lambda: place.move(path, "x"),
        lambda: place.move("x", path),
    ):
        with pytest.raises(UsageError):
            act()


def test_symbolic_links_are_not_followed(world: World, tmp_path: Path) -> None:
    if world.root is None:
        return
    place, outside = world.place, world.root.parent / f"out-{uuid.uuid4().hex[:8]}"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub/file").write_bytes(b"kept")
    for path in (outside, outside / "sub", outside / "sub/file"):
        if os.geteuid() == 0:
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    place.write("s/1/a", b"a")
    (world.root / "s/1/link").symlink_to(outside)
    (world.root / "s/1/file").symlink_to(outside / "sub/file")
    local = local_file(tmp_path, 10)
    for act in (
        lambda: place.size("s/1/link/sub/file"),
        lambda: place.size("s/1/file"),
        lambda: read(place, "s/1/link/sub/file"),
        lambda: read(place, "s/1/file"),
        lambda: place.names("s/1/link"),
        lambda: place.write("s/1/link/new", b"x"),
        lambda: place.upload(local, "s/1/link/new", nobody),
        lambda: place.remove("s/1/link/sub/file"),
        lambda: place.move("s/1/link/sub", "s/2"),
        lambda: place.move("s/1", "s/1/link/x"),
    ):
        with pytest.raises(InfrastructureError):
            act()
    place.remove("s/1")
    assert place.names("s") == ()
    assert [each.name for each in outside.rglob("*")] == ["sub", "file"]
    assert (outside / "sub/file").read_bytes() == b"kept"


def test_the_lock_keeps_a_second_publisher_out(world: World) -> None:
    with world.place.lock():
        with (
            pytest.raises(InfrastructureError, match=f"at work in .*process {os.getpid()}"),
            world.again().lock(),
        ):
            pass
        world.place.write("index.json", b"1")
    with world.again().lock():
        pass
    assert world.place.names("") == ("index.json",)


def test_of_publishers_that_meet_one_gets_the_lock(world: World) -> None:
    begin, mutex = threading.Barrier(4), threading.Lock()
    refused, inside = list[str](), [0, 0]

    def publish() -> None:
        place = world.again()
        begin.wait()
        try:
            with place.lock():
                with mutex:
                    inside[0] += 1
                    inside[1] = max(inside)
                begin.wait(20)
                inside[0] -= 1
        except InfrastructureError as error:
            refused.append(error.message)
            begin.wait(20)

    publishers = [threading.Thread(target=publish) for _ in range(4)]
    for each in publishers:
        each.start()
    for each in publishers:
        each.join()
    assert inside == [0, 1]
    assert len(refused) == 3
    assert all("at work" in message for message in refused)


HOLDER = """
import sys, time
from builder.store import s3client
from builder.store.open import open_place
with open_place(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_publisher_does_not_last(world: World) -> None:
    command = [sys.executable, "-c", HOLDER, world.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(InfrastructureError, match="at work"), world.place.lock():
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    with world.place.lock():
        world.place.write("index.json", b"1")
    assert world.place.names("") == ("index.json",)
