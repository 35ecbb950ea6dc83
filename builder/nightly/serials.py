# SPDX-License-Identifier: GPL-2.0-or-later
"""The serials of the builds that a plan asks for, picked once for all of them.

Who builds may be another machine, which has none of the earlier builds: what is published and what
is built here decide. A serial belongs to a series, so two images may have the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date

from builder import names
from builder.manifest.decision import Decision

# The serials of a series that are taken.
Used = Callable[[str], Collection[str]]


def pick(decisions: Iterable[Decision], today: date, *used: Used) -> dict[str, str]:
    """A serial of `today` for each image that is to be published, which none of `used` has."""
    return {
        decision.name: names.next_serial(
            today, [serial for taken in used for serial in taken(decision.name)]
        )
        for decision in decisions
        if decision.answer == "publish"
    }
