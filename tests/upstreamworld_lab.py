# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers of one distribution, for tests that spoil them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from builder.upstream import catalogue, finding
from builder.upstream.asking import Asking
from builder.upstream.finding import Found
from builder.upstream.series import Series
from tests.upstreamworld import Keys, Served, World, served
from tests.upstreamworld_others import RULES
from tests.upstreamworld_sources import WRITERS, copies


@dataclass(frozen=True)
class Lab:
    """What the source's servers have is in `world`; its YAML file has the world's keys."""

    source: str
    world: World
    folder: Path

    @classmethod
    def make(cls, source: str, folder: Path, keys: Keys) -> Lab:
        world = World(folder / "world", keys)
        WRITERS[source](world)
        copies(world, folder / "upstreams", source)
        return cls(source, world, folder)

    def served(self, rules: str = "") -> AbstractContextManager[Served]:
        """Serve it; `rules` are lines of nginx' server."""
        number = len(list(self.folder.glob("nginx*")))
        return served(self.world, self.folder / f"nginx{number}", RULES + rules)

    def asking(self, answering: Served) -> Asking:
        return Asking(instead=answering.instead, kept=self.folder / "kept")

    def series(self, name: str, asking: Asking) -> Series:
        sources = catalogue.read([self.folder / "upstreams"])
        (found,) = (
            each for each in sources.sources[self.source].series(asking) if each.name == name
        )
        return found

    def ask(self, name: str, answering: Served) -> Found:
        """The newest version of an image, of servers that answer."""
        asking = self.asking(answering)
        return finding.newest(self.series(name, asking), asking)

    def find(self, name: str, rules: str = "") -> Found:
        """The newest version of an image."""
        with self.served(rules) as answering:
            return self.ask(name, answering)
