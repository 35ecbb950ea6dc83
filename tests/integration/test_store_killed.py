# SPDX-License-Identifier: GPL-2.0-or-later
"""Publishers that are killed, and publishers that meet: the store stays true all the time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from builder.builds import Built
from builder.errors import ForgeError
from builder.store import reading
from builder.store.folder import FolderPlace
from builder.store.index import folder
from builder.store.memory import Memory
from builder.store.writing import Publisher
from tests.unit.stores import NOW, Seal, build, publisher, put

KILLS = 200
MEETINGS = 20
# A store of more builds takes longer to look through after each kill.
BUILDS_PER_STORE = 20
TIMES = 5


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that the kernel has, so a busy disk need not hold tests up."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@contextmanager
def child(call: Callable[[], object]) -> Iterator[int]:
    """A process that calls something and ends with the error's exit code; it is always ended."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            call()
            code = 0
        except ForgeError as error:
            code = error.exit_code
        finally:
            os._exit(code)
    try:
        yield pid
    finally:
        # Where a test failed; else it is gone.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def serial(number: int) -> str:
    return f"20261121.{number}"


def look(root: Path) -> list[str]:
    """The serials that a reader finds, after it read all that the index names."""
    place = FolderPlace(root / "store")
    # The first publisher makes the folder.
    if not place.root.exists() or not reading.is_store(place):
        return []
    index = reading.read(place, Seal(), Memory(root / "memory-of-reader"), NOW)
    found = []
    for entry in index.series:
        for each in entry.builds:
            where = root / "store" / folder(entry.name, each)
            sums = reading.sums(place, entry.name, each)
            assert reading.manifest(place, entry.name, each).serial == each.serial
            assert {image.name: image.sha256 for image in each.images}.items() <= sums.items()
            for name, digest in sums.items():
                assert hashlib.sha256((where / name).read_bytes()).hexdigest() == digest
            for name in ("SHA256SUMS", "SHA512SUMS"):
                signature = (where / f"{name}.asc").read_bytes()
                Seal().verify((where / name).read_bytes(), signature, name)
            found.append(each.serial)
    return found


def settled(root: Path) -> None:
    """Nothing is left aside, and what follows from the index does follow."""
    store = root / "store"
    left = {str(path.relative_to(store)) for path in store.rglob(".*") if path.name != ".lock"}
    assert left <= {".staging"}
    assert list((store / ".staging").iterdir()) == []
    index = reading.parse((store / "index.json").read_bytes(), "index.json")
    assert (store / "debian-13/latest").read_text() == f"{index.series[0].builds[-1].serial}\n"


def stores(tmp_path: Path) -> Iterator[tuple[Path, Publisher]]:
    """New stores without end."""
    number = 0
    while True:
        root = tmp_path / str(number)
        root.mkdir()
        yield root, publisher(root)
        number += 1


def duration(root: Path) -> float:
    """Seconds that publishing takes here, in a process of its own, at the most."""
    store, longest = publisher(root), 0.0
    for number in range(1, TIMES + 1):
        built = made(root, number)
        start = time.monotonic()
        with child(partial(put, store, built)) as pid:
            assert os.waitpid(pid, 0)[1] == 0
        longest = max(longest, time.monotonic() - start)
    return longest


def made(root: Path, number: int) -> Built:
    """A build of some KiB; one file has more than one piece."""
    return build(
        root / "out", serial(number), image=os.urandom(3000), more={"boot.log": b"x" * 2000}
    )


def test_publishers_that_are_killed(tmp_path: Path) -> None:
    """Each is killed at a random point; then a reader looks, and a second try completes it."""
    (tmp_path / "timing").mkdir()
    longest = duration(tmp_path / "timing")
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    points = random.Random(seed)  # noqa: S311
    killed, before_index, after_index = 0, 0, 0
    for root, store in stores(tmp_path):
        for number in range(1, BUILDS_PER_STORE + 1):
            built = made(root, number)
            with child(partial(put, store, built)) as pid:
                time.sleep(points.uniform(0, longest))
                os.kill(pid, signal.SIGKILL)
                status = os.waitpid(pid, 0)[1]
            found = look(root)
            complete = [serial(each) for each in range(1, number + 1)]
            assert found in (complete[:-1], complete)
            if os.WIFSIGNALED(status):
                killed += 1
                before_index += found != complete
                after_index += found == complete
            put(store, built)
            assert look(root) == complete
            settled(root)
        if killed >= KILLS:
            break
    print(f"{killed} killed, {after_index} of them after the index was written")
    # Else this test would not have shown anything.
    assert before_index > KILLS // 4


def test_publishers_that_meet(tmp_path: Path) -> None:
    """Of two at once, one publishes, and the other does so before, after or not at all."""
    refused = 0
    for (root, store), _ in zip(stores(tmp_path), range(MEETINGS), strict=False):
        builts = [made(root, number) for number in (1, 2)]
        with (
            child(partial(put, store, builts[0])) as one,
            child(partial(put, store, builts[1])) as two,
        ):
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (one, two)]
        assert sorted(codes) in ([0, 0], [0, 4])
        refused += 4 in codes
        published = [built.serial for built, code in zip(builts, codes, strict=True) if code == 0]
        assert look(root) == published
        for built in builts:
            put(store, built)
        assert look(root) == [built.serial for built in builts]
        settled(root)
    assert refused > 0


@pytest.mark.parametrize("killed", [True, False])
def test_the_lock_ends_with_its_process(tmp_path: Path, *, killed: bool) -> None:
    place = FolderPlace(tmp_path / "store")
    read, write = os.pipe()

    def hold() -> None:
        with place.lock():
            os.write(write, b"x")
            time.sleep(60)

    with child(hold) as pid:
        os.read(read, 1)
        with pytest.raises(ForgeError, match=f"another publisher is at work .*{pid}"), place.lock():
            pass
        if killed:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            with place.lock():
                pass
    os.close(read)
    os.close(write)
