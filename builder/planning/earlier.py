# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of the boots of an earlier build, published or built, to compare with."""

from __future__ import annotations

from builder import names
from builder.builds import Builds
from builder.guest.reports import report
from builder.guest.reports.report import Report
from builder.planning.published import FolderStore, IndexStore
from builder.store import fetching, reading
from builder.store.index import Digest, folder


def earlier(store: FolderStore | IndexStore, series: str, serial: str) -> Report | None:
    """The report of the newest build of a series before `serial` that has one; None without one.

    Raises InfrastructureError or UsageError where that cannot be known.
    """
    if isinstance(store, FolderStore):
        return _in_folder(store, series, serial)
    return _in_index(store, series, serial)


def _in_folder(store: FolderStore, series: str, serial: str) -> Report | None:
    for built in reversed(Builds(store.root).of(series)):
        if names.serial_key(built.serial) < names.serial_key(serial):
            found = report.load(built.file(report.SUFFIX))
            if found is not None:
                return found
    return None


def _in_index(store: IndexStore, series: str, serial: str) -> Report | None:
    """In a signed store, the report is what the signed list of digests says that it is."""
    entry = reading.series(store.index(), series)
    below = serial
    while entry and (build := reading.newest(entry, below=below)):
        below = build.serial
        name = f"{series}-{build.serial}{report.SUFFIX}"
        path = f"{folder(series, build)}/{name}"
        digest = reading.sums(store.place, series, build).get(name)
        size = store.place.size(path) if digest else None
        if digest is not None and size is not None:
            wanted = Digest(name=name, size=size, sha256=digest)
            text = fetching.content(store.place, path, wanted)
            return report.parse(text, f"{path} of {store.place.url}")
    return None
