# SPDX-License-Identifier: GPL-2.0-or-later
"""What the finder knows beside the index: of each build, and of what was decided since.

A manifest lists hundreds of packages and a store has thousands of builds, so only what a page
shows is taken from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from builder.manifest.decision import Answer, Decision
from builder.manifest.imported import Document, Imported, Origin
from builder.manifest.model import Verdict
from builder.policy.phrases import summary

PROJECT = "base"


@dataclass(frozen=True)
class Why:
    """A decision in one phrase."""

    answer: Answer
    date: datetime
    policy: str
    phrase: str

    @classmethod
    def of(cls, decision: Decision) -> Why:
        """The phrase of a decision document."""
        return cls(decision.answer, decision.date, decision.policy, summary(decision))


@dataclass(frozen=True)
class BuildFacts:
    """What is known of one build.

    `files` are the names of all files in its folder, `changes` its changelog in one line, empty
    where there is none; `commit` is the project's. `origin` is there for what others made.
    """

    checks: tuple[Verdict, ...] = ()
    boots: tuple[Verdict, ...] = ()
    why: Why | None = None
    command: str = ""
    commit: str = ""
    packages: int = 0
    installed_bytes: int | None = None
    files: tuple[str, ...] = ()
    changes: str = ""
    origin: Origin | None = None

    @classmethod
    def of(cls, manifest: Document, files: Iterable[str], changes: str = "") -> BuildFacts:
        """The facts of a manifest and of the files beside it."""
        if isinstance(manifest, Imported):
            return cls(
                checks=manifest.checks,
                boots=manifest.boots,
                packages=len(manifest.packages),
                installed_bytes=manifest.installed_bytes,
                files=tuple(sorted(files)),
                changes=changes,
                origin=manifest.origin,
            )
        commits = {each.overlay: each.commit for each in manifest.build.commits}
        return cls(
            checks=manifest.checks,
            boots=manifest.boots,
            why=Why.of(manifest.decision) if manifest.decision else None,
            command=manifest.build.command,
            commit=commits.get(PROJECT) or "",
            packages=len(manifest.packages),
            installed_bytes=manifest.installed_bytes,
            files=tuple(sorted(files)),
            changes=changes,
        )


@dataclass(frozen=True)
class StoreFacts:
    """What is known of a store's builds.

    `policies` and `decisions` are by series: the name of its policy, and the last decision about
    it. `builds` is by the build's folder (`builder.store.index.folder`). It may be a mapping that
    reads a manifest when it is asked: the first page asks only for each series' current build.
    """

    policies: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, Why] = field(default_factory=dict)
    builds: Mapping[str, BuildFacts] = field(default_factory=dict)
    title: str = "Machine images"
