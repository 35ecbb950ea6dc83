# SPDX-License-Identifier: GPL-2.0-or-later
"""Two that pull into one store, one of them a little later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from builder.facility import locks
from builder.upstream.asking import Asking
from tests.integration.signing import key_home
from tests.integration.upstreamworld import World, made


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with key_home() as home, made(tmp_path, home, monkeypatch) as world:
        yield world


def test_what_another_process_brought_meanwhile_does_not_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked into the store before either of them published."""
    world.ours.put("10.1")
    world.ours.write(world.upstreams)
    alone, others = locks.alone, list[str]()

    def after_another(folder: Path, what: str) -> AbstractContextManager[None]:
        monkeypatch.setattr(locks, "alone", alone)
        others.append(world.one(asking=Asking()).answer)
        return alone(folder, what)

    monkeypatch.setattr(locks, "alone", after_another)
    outcome = world.one()
    assert others == ["pulled"]
    assert (outcome.answer, outcome.transferred) == ("unchanged", 0)
    assert outcome.build == world.builds()[-1]
    paths = [path for path in world.asked() if path.endswith(".qcow2")]
    assert len(paths) == 1
    assert not list((world.folder / "cache/incoming/.upstream").iterdir())
