# SPDX-License-Identifier: GPL-2.0-or-later
"""Publishing to places of all kinds: what a reader gets, and publishers that are killed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from builder.store import reading
from builder.store.fetching import fetch
from builder.store.index import folder
from builder.store.memory import Memory
from builder.store.writing import Publisher
from tests.integration.placeworlds import MIB, World
from tests.unit.stores import NOW, Seal, build, put


def publisher(world: World, tmp_path: Path) -> Publisher:
    return Publisher(world.again(), Seal(), Seal(), Memory(tmp_path / "memory"))


def found_by_a_reader(world: World, tmp_path: Path) -> dict[str, dict[str, str]]:
    """The digests of all files of all builds, which were fetched and verified, by serial."""
    place, memory = world.again(), Memory(tmp_path / "memory-of-reader")
    found = dict[str, dict[str, str]]()
    if not reading.is_store(place):
        return found
    for entry in reading.read(place, Seal(), memory, NOW).series:
        for each in entry.builds:
            assert reading.manifest(place, entry.name, each).serial == each.serial
            found[each.serial] = dict(reading.sums(place, entry.name, each))
            for file in (*each.images, each.manifest, each.sums):
                target = tmp_path / f"fetched-{uuid.uuid4().hex}"
                fetch(place, f"{folder(entry.name, each)}/{file.name}", file, target)
                assert hashlib.sha256(target.read_bytes()).hexdigest() == file.sha256
                target.unlink()
    return found


def test_a_build_is_published_and_read_back(world: World, tmp_path: Path) -> None:
    built = build(tmp_path / "out", "20261121", image=os.urandom(2 * MIB))
    assert put(publisher(world, tmp_path), built).answer == "published"
    there = found_by_a_reader(world, tmp_path)["20261121"]
    assert there == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in built.folder.iterdir()
    }
    assert put(publisher(world, tmp_path), built).answer == "unchanged"
    assert world.place.names(".staging") == ()


PUBLISHER = """
import sys
from pathlib import Path
from builder.builds import Built
from builder.store.memory import Memory
from builder.store.open import open_place
from builder.store.writing import Publisher
from tests.unit.stores import Seal, put
url, memory, serial, folder = sys.argv[1:]
print("begins", flush=True)
store = Publisher(open_place(url), Seal(), Seal(), Memory(Path(memory)))
put(store, Built("debian-13", serial, Path(folder)))
print("done", flush=True)
"""


def test_publishers_that_are_killed(world: World, tmp_path: Path) -> None:
    """At other points each time; a reader finds the old builds or all, and the next completes."""
    complete = list[str]()
    for number, seconds in enumerate((0.35, 0.7)):
        serial = f"2026112{number}"
        built = build(tmp_path / "out", serial, image=os.urandom(MIB))
        words = [world.url, str(tmp_path / "memory"), serial, str(built.folder)]
        command = [sys.executable, "-c", PUBLISHER, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begins\n"
            time.sleep(seconds)
            process.kill()
        assert list(found_by_a_reader(world, tmp_path)) in (complete, [*complete, serial])
        put(publisher(world, tmp_path), built)
        complete.append(serial)
        assert list(found_by_a_reader(world, tmp_path)) == complete
    assert world.place.names(".staging") == ()
