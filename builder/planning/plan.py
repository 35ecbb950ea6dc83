# SPDX-License-Identifier: GPL-2.0-or-later
"""The plan: for each image, whether it is published anew, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from builder import classes
from builder.errors import ForgeError
from builder.images import Images
from builder.manifest.decision import Decision
from builder.manifest.model import Manifest
from builder.names import Name
from builder.planning.explain import Explainer
from builder.planning.prospect import Ground, look_at
from builder.policy.decide import decide
from builder.policy.facts import Facts
from builder.progress import Progress


class Store(Protocol):
    """What a plan asks of a store."""

    def newest(self, series: str) -> Manifest | None:
        """The newest published manifest; None where there is none, ForgeError if unknown."""


def plan(
    ground: Ground,
    images: Images,
    names: Sequence[Name],
    store: Store,
    explainer: Explainer,
    progress: Progress,
    *,
    now: datetime,
    forced: bool = False,
) -> list[Decision]:
    """A decision about each image, in the order of `names`.

    What cannot be known about one image is part of its decision, and stops no other. Raises
    UsageError for a name or a policy that is not there.
    """
    policies = {name: images.row(name).policy for name in names}
    for policy in policies.values():
        images.policy(policy)
    prospects = look_at(ground, names, progress)
    decisions = []
    for name, prospect in prospects.items():
        facts = Facts(str(name), now, _published(store, name), prospect, forced)
        codename = classes.resolve(ground.known, name).codename
        policy = policies[name]
        decisions.append(
            decide(facts, policy, images.policy(policy), images.impact, explainer.fixes(codename))
        )
    return decisions


def _published(store: Store, name: Name) -> Manifest | ForgeError | None:
    try:
        return store.newest(str(name))
    except ForgeError as error:
        return error
