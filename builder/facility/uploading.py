# SPDX-License-Identifier: GPL-2.0-or-later
"""A build of this machine, taken into its site's own store: with all that goes beside an image."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

from builder import images, names
from builder.builds import Builds, Built
from builder.errors import UsageError
from builder.facility.adding import synced
from builder.facility.config import CUSTOM
from builder.facility.site import Site
from builder.progress import Progress
from builder.store import companions
from builder.store.publishing import Published


def refuse(site: Site, name: str) -> None:
    """Raise UsageError for an image whose builds here come from elsewhere.

    One of ours could have the name of one of theirs, and what sync keeps would be two things.
    """
    if synced(site, name):
        raise UsageError(
            f"the builds of {name} come from a remote here",
            hint="build it under a name of your own: a class of yours gives it a further role;"
            " docs/own-classes.md",
        )


def next_serial(site: Site, out: Path, name: str, now: datetime) -> str:
    """A serial that is free in the folder of builds, and in the store."""
    built = (each.serial for each in Builds(out).of(name))
    return names.next_serial(now.date(), [*site.store.serials(name), *built])


def upload(site: Site, built: Built, project: Path, now: datetime, progress: Progress) -> Published:
    """Take a finished build into the site's store, in the channel of its own images."""
    title = images.read(project).row(names.parse(built.name)).title
    with tempfile.TemporaryDirectory(prefix="fai-forge-") as folder:
        progress.stage(f"Reading {built}")
        made = companions.make(built, Path(folder))
        return site.store.admit(built.folder, CUSTOM, now, progress, title=title, more=made)
