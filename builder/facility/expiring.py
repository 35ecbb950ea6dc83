# SPDX-License-Identifier: GPL-2.0-or-later
"""Expiry of a site's store, done: targets are asked, the plan is made and carried out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from builder.errors import ForgeError
from builder.facility import keeping, removing
from builder.facility.doors import DOORS, Doors
from builder.facility.keeping import Key, Plan, Uses
from builder.facility.locks import alone
from builder.facility.site import Site
from builder.facility.targets.target import Held, Target


@dataclass(frozen=True)
class Expired:
    """What was planned, or done, and what went wrong at targets."""

    plan: Plan
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    """The targets that answered, with what they have of ours."""

    held: Sequence[tuple[Target, Held]]
    errors: Sequence[tuple[str, str]]

    def uses(self) -> Uses:
        found: dict[Key, str] = {}
        for target, held in self.held:
            if held.in_use:
                found[held.name, held.serial] = f"in use at {target.name}"
            elif held.current:
                found.setdefault((held.name, held.serial), f"{target.name} has it as {held.name}")
        return Uses(found, frozenset(name for name, _ in self.errors))


def expire(site: Site, now: datetime, doors: Doors = DOORS, *, dry_run: bool = False) -> Expired:
    """Remove what the custom rule and the quota do not keep; a dry run only says it.

    What goes here goes at the targets, too. One that cannot be asked keeps what may be in use
    there.
    """
    # The same lock as sync's: what one of them brings the other one must not remove.
    with nullcontext() if dry_run else alone(site.state, "sync"):
        asked = _ask(site, doors)
        said = [f"{name}: {sentence}" for name, sentence in asked.errors]
        index = site.store.index()
        if index is None:
            return Expired(Plan((), site.facility.store.quota), tuple(said))
        plan = keeping.plan(index, site.facility, asked.uses(), now)
        if not dry_run and plan.removed:
            said += _forget(asked, removing.remove(site.store, plan.removed, now))
        return Expired(plan, tuple(said))


def _ask(site: Site, doors: Doors) -> _Asked:
    held: list[tuple[Target, Held]] = []
    errors: list[tuple[str, str]] = []
    for name, entry in site.facility.targets.items():
        try:
            target = doors.target(name, entry, site)
            held += [(target, each) for each in target.held()]
        except ForgeError as error:
            errors.append((name, error.message))
    return _Asked(held, errors)


def _forget(asked: _Asked, gone: Collection[Key]) -> list[str]:
    """Remove at the targets what is gone here; what went wrong."""
    said = []
    for target, held in asked.held:
        if (held.name, held.serial) in gone:
            try:
                target.remove(held)
            except ForgeError as error:
                said.append(f"{target.name}: {error.message}")
    return said
