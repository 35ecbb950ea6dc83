# SPDX-License-Identifier: GPL-2.0-or-later
"""Which advisories a change fixes, if the security data is at hand; no decision waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from builder.archive import advisories
from builder.errors import ForgeError
from builder.images import AdvisoryPlaces
from builder.manifest.decision import Advisory
from builder.manifest.diff import SourceChange

log = logging.getLogger(__name__)

Fixes = Callable[[SourceChange], tuple[Advisory, ...]]


class Explainer:
    """Security data that is read when it is first asked for; `folder` is that of images.yaml."""

    def __init__(self, places: AdvisoryPlaces, folder: Path, kept: Path) -> None:
        self._places = places
        self._folder = folder
        self._kept = kept
        self._data: advisories.Advisories | None = None

    def fixes(self, codename: str) -> Fixes:
        """What tells the advisories that a change of a release's package fixes."""

        def of(change: SourceChange) -> tuple[Advisory, ...]:
            if change.new is None:
                return ()
            found = self._fixed(change.name, change.old, change.new, codename)
            return tuple(Advisory(id=fix.id, cves=fix.cves, urgency=fix.urgency) for fix in found)

        return of

    def _fixed(
        self, source: str, old: str | None, new: str, codename: str
    ) -> tuple[advisories.Fix, ...]:
        try:
            if self._data is None:
                places = self._places
                lists = filter(None, (places.dsa, places.dla))
                self._data = advisories.load(lists, places.tracker, self._folder, self._kept)
            return self._data.fixed(source, old, new, codename)
        except ForgeError as error:
            log.warning("some advisories are not known: %s", error)
            # The list of advisories may be at hand where the tracker's data is not.
            without = self._data or advisories.Advisories()
            self._data = replace(without, tracker=None)
            return self._data.fixed(source, old, new, codename)
