# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two sets of packages, by source package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from builder.models import Package

# "rebuilt": other binary packages from the same source version, as a binNMU makes them.
ChangeKind = Literal["added", "removed", "upgraded", "downgraded", "rebuilt"]


@dataclass(frozen=True)
class BinaryChange:
    """One binary package; `old` or `new` is None where one side does not have it."""

    name: str
    arch: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class SourceChange:
    """What became of one source package; `old` and `new` are source versions, None if absent.

    `name` is the source that people know: `linux` for linux-signed-amd64. `security` says that a
    security archive has the change.
    """

    name: str
    kind: ChangeKind
    old: str | None
    new: str | None
    binaries: tuple[BinaryChange, ...]
    security: bool


def compare(
    old: Iterable[Package],
    new: Iterable[Package],
    security: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[SourceChange, ...]:
    """The changes from `old` to `new`, by the source's name; none if the sets are equal.

    `security` has, by binary package, the versions that a security archive holds: a version is a
    security update too if it comes from elsewhere and is newer than one of those that `old` lacks.
    """
    raise NotImplementedError
