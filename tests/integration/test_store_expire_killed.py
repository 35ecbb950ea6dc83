# SPDX-License-Identifier: GPL-2.0-or-later
"""Expiry that is killed: what the index names is there, and the next expiry removes the rest."""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import signal
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from builder.channels import DEFAULTS
from builder.store import reading
from builder.store.folder import FolderPlace
from builder.store.index import Build, folder
from builder.store.memory import Memory
from builder.store.retention import leftovers
from builder.store.tending import expire
from tests.integration.test_store_killed import child
from tests.unit.stores import NOW, Seal, build, publisher, put

NAME = "debian-13"
KILLS = 60
# Two are removed, one is hidden, one stays.
AGES = (90, 80, 20, 1)
LATER = NOW + timedelta(days=90)


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that the kernel has, so a busy disk need not hold tests up."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def made(root: Path) -> None:
    """A store with a daily build of each age."""
    root.mkdir()
    more = {f"log-{number}": b"x" for number in range(20)}
    for age in AGES:
        day = LATER - timedelta(days=age)
        built = build(root / "out", f"{day:%Y%m%d}", image=f"{age}".encode(), more=more)
        put(publisher(root), built, channel="daily", now=day)


def expired(root: Path) -> None:
    expire(publisher(root), DEFAULTS, lambda _: None, LATER)


def builds(root: Path) -> tuple[Build, ...]:
    index = reading.read(FolderPlace(root / "store"), Seal(), Memory(root / "reader"), LATER)
    return index.series[0].builds


def present(root: Path, each: Build) -> list[str]:
    return [path.name for path in (root / "store" / folder(NAME, each)).iterdir()]


def look(root: Path) -> None:
    """Read all that the index names, as a reader would."""
    place = FolderPlace(root / "store")
    for each in builds(root):
        assert reading.manifest(place, NAME, each).serial == each.serial
        sums = reading.sums(place, NAME, each)
        for name, digest in sums.items() if each.state != "removed" else ():
            content = (root / "store" / folder(NAME, each) / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest


def test_expiry_that_is_killed(tmp_path: Path) -> None:
    made(tmp_path / "timing")
    start = time.monotonic()
    with child(partial(expired, tmp_path / "timing")) as pid:
        assert os.waitpid(pid, 0)[1] == 0
    longest = time.monotonic() - start
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    points = random.Random(seed)  # noqa: S311
    killed, partly = 0, 0
    for number in range(KILLS):
        root = tmp_path / str(number)
        made(root)
        with child(partial(expired, root)) as pid:
            time.sleep(points.uniform(0, longest))
            os.kill(pid, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        look(root)
        gone = [each for each in builds(root) if each.state == "removed"]
        assert len(gone) in (0, 2)
        partly += any(leftovers(each, present(root, each)) for each in gone)
        expired(root)
        look(root)
        found = builds(root)
        assert [each.state for each in found] == ["removed", "removed", "hidden", "public"]
        assert not any(leftovers(each, present(root, each)) for each in found[:2])
    print(f"{killed} killed, {partly} of them while files were removed")
    assert killed > KILLS // 4
    assert partly
